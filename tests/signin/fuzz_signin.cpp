// Any bytes as a token, a set of keys, an HTTP answer, an address, and what a browser asks a flow for. The
// first byte chooses.
#include <cstdint>
#include <cstdlib>

#include "signin/flow.h"
#include "signin/token.h"

using namespace kith;

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const auto bytes = ByteView(data, size).subspan(1);
    const auto text = as_text(bytes);
    const signin::FlowSecrets secrets{"state", "nonce", "verifier", "challenge"};
    const auto provider = signin::read_provider("p", {"https://a/l", "client_id=c"}, {"https://a/t"});
    check(provider.has_value());
    switch (data[0] % 7) {
        case 0:
            if (auto token = signin::read_token(text)) {
                // Nothing that no key has signed is good, whatever it says.
                auto keys = signin::read_keys(R"({"keys":[]})");
                check(!signin::check_token(*token, *keys, {token->issuer, token->audience[0]}, token->made_s,
                                           [](const auto&, ByteView, ByteView) { return true; }));
            }
            break;
        case 1:
            if (auto keys = signin::read_keys(text))
                for (const auto& key : *keys)
                    check(key.algorithm == signin::Algorithm::rs256
                              ? key.n.size() >= 256 && !key.e.empty()
                              : key.x.size() == 32 && key.y.size() == 32);
            break;
        case 2: {
            // In one run and byte by byte: the same.
            wire::HttpReader whole, slow;
            auto first = whole.add(bytes);
            Result<std::optional<wire::HttpAnswer>> second = std::optional<wire::HttpAnswer>();
            for (std::size_t i = 0; i < bytes.size() && second && !*second; ++i)
                second = slow.add(bytes.subspan(i, 1));
            if (first && *first) check(second && *second && (*second)->body == (*first)->body);
            if (first && !*first) (void)whole.end();
            break;
        }
        case 3:
            if (auto url = wire::parse_url(text)) {
                check(url->path.starts_with('/') && url->path.find_first_of("\r\n ") == std::string::npos);
                check(url->authority().find_first_of("\r\n /@") == std::string::npos);
            }
            break;
        case 4: {
            signin::Flow flow(*provider, secrets);
            (void)flow.login_url(80);
            auto came = flow.came(text);
            check(!came.next || came.next->body.find("code_verifier=verifier") != std::string::npos);
            check(!flow.came(text).next);
            break;
        }
        case 5: {
            signin::Flow flow(*provider, secrets);
            (void)flow.answered({200, std::string(text)}, 0);
            break;
        }
        case 6: {
            auto decoded = wire::from_base64url(text);
            if (decoded) check(wire::to_base64url(*decoded) == text);
            auto form = wire::from_form(text);
            check(wire::from_form(wire::to_form(form)) == form);
            (void)wire::asked_for(text);
            (void)signin::read_provider("p", {std::string(text), std::string(text)}, {std::string(text)});
            break;
        }
    }
    return 0;
}

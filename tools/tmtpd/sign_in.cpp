#include "sign_in.h"

#include <filesystem>

#include "net/signature.h"
#include "sign_in_limits.h"
#include "signin/flow.h"
#include "signin/limits.h"
#include "store/file.h"
#include "wire/limits.h"
#include "wire/url.h"

namespace kith::tmtpd {
namespace {

Result<std::string> read_file(const std::string& path) {
    KITH_TRY_VALUE(file, store::File::open(path, store::File::Mode::read));
    KITH_TRY_VALUE(size, file.size());
    if (size > limits::http_body_bytes) return fail(Fault::invalid, path + " is too large for a set of keys");
    Bytes bytes(size);
    KITH_TRY(file.read_at(0, bytes));
    return std::string(as_text(bytes));
}

}  // namespace

Result<std::unique_ptr<TokenSignIn>> TokenSignIn::start(net::Loop& loop, SignInOptions options, Log log) {
    for (const auto& [name, value] : {std::pair{"client", &options.client},
                                      {"keys", &options.keys},
                                      {"login", &options.login},
                                      {"token", &options.token}})
        if (value->empty())
            return fail(Fault::invalid,
                        "a sign-in is asked for, and --sign-in-" + std::string(name) + " is missing",
                        "give it, or leave out --sign-in-issuer");
    if (options.label.empty()) options.label = options.issuer;
    // What clients would refuse is refused here.
    KITH_TRY(signin::read_provider(options.label, {options.login, options.login_parameters},
                                   {options.token, options.token_parameters}));
    const auto keys = wire::parse_url(options.keys);
    if (keys && !keys->tls)
        return fail(Fault::invalid, "the provider's keys must come over https",
                    "give a file, or an https address");
    std::unique_ptr<TokenSignIn> self(new TokenSignIn(loop, std::move(options), std::move(log)));
    if (!keys) {
        KITH_TRY_VALUE(text, read_file(self->options_.keys));
        KITH_TRY(signin::read_keys(text));
    }
    self->read_keys();
    return self;
}

TokenSignIn::TokenSignIn(net::Loop& loop, SignInOptions options, Log log)
    : loop_(loop), options_(std::move(options)), log_(std::move(log)) {}

std::vector<tmtp::AuthBy> TokenSignIn::providers() const {
    return {{options_.label,
             {options_.login, options_.login_parameters},
             {options_.token, options_.token_parameters}}};
}

void TokenSignIn::read_keys() {
    asked_ms_ = loop_.now().mono_ms;
    timer_ = loop_.after(limits::sign_in_keys_ms, [this] { read_keys(); });
    const auto url = wire::parse_url(options_.keys);
    if (!url) return take_keys(read_file(options_.keys));
    call_ = std::make_unique<net::HttpsCall>(
        loop_, wire::HttpRequest{*url, false, {}}, [this](Result<wire::HttpAnswer> answer) {
            call_end_timer_ = loop_.after(0, [this] { call_.reset(); });
            if (!answer) return take_keys(fail(answer.error()));
            if (answer->status != 200)
                return take_keys(fail(Fault::unavailable, "HTTP status " + std::to_string(answer->status)));
            take_keys(std::move(answer->body));
        });
}

// Keys that cannot be had leave those that are known: an outage of the provider bars nobody at once.
void TokenSignIn::take_keys(Result<std::string> json) {
    auto keys = json ? signin::read_keys(*json) : Result<std::vector<signin::VerifyKey>>(fail(json.error()));
    if (keys && keys->empty()) keys = fail(Fault::protocol, "it holds no key for RS256 or ES256");
    if (!keys) {
        log_("no keys from " + options_.keys + ": " + keys.error().what);
        timer_ = loop_.after(limits::sign_in_keys_retry_ms, [this] { read_keys(); });
        return;
    }
    keys_ = std::move(*keys);
    log_(std::to_string(keys_.size()) + " keys from " + options_.keys);
}

std::string TokenSignIn::objection(const std::string& id_token, Now now) {
    const auto now_s = now.unix_ms / 1000;
    auto verify = [](const signin::VerifyKey& key, ByteView message, ByteView signature) {
        return key.algorithm == signin::Algorithm::rs256
                   ? net::verify_rs256(key.n, key.e, message, signature)
                   : net::verify_es256(key.x, key.y, message, signature);
    };
    auto token = signin::read_token(id_token);
    if (!token) return token.error().what;
    auto checked = signin::check_token(*token, keys_, {options_.issuer, options_.client}, now_s, verify);
    if (checked) return used_before(token->signed_part, now_s);
    // The provider may have a new key. Not asked for each token: those who send them may send any.
    if (checked.error().kind == Fault::unavailable && !call_ &&
        now.mono_ms - asked_ms_ > limits::sign_in_keys_retry_ms)
        read_keys();
    return checked.error().what;
}

// By what is signed: the same word in another spelling is the same word.
std::string TokenSignIn::used_before(const std::string& signed_part, std::int64_t now_s) {
    std::erase_if(used_, [&](const auto& one) { return one.second < now_s; });
    if (used_.size() >= limits::sign_in_used) return "too many have registered in the last minutes";
    const auto until = now_s + limits::token_age_s + 2 * limits::token_skew_s;
    if (!used_.emplace(crypto::hash(as_bytes(signed_part)), until).second)
        return "the id_token was used before";
    return {};
}

}  // namespace kith::tmtpd

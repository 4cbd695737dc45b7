#include "signin/token.h"

#include <algorithm>

#include "signin/limits.h"
#include "wire/fields.h"
#include "wire/url.h"

namespace kith::signin {
namespace {

using wire::Fields;

tl::unexpected<Error> no_token() {
    return fail(Fault::protocol, "the id_token is malformed");
}

std::string text_or_nothing(Fields& fields, std::string_view key) {
    return fields.has(key) ? fields.text(key, limits::token_text) : std::string();
}

std::int64_t time_or_zero(Fields& fields, std::string_view key) {
    return fields.has(key) ? fields.i64(key) : 0;
}

// A text, or an array of texts.
std::vector<std::string> read_audience(std::string_view json) {
    auto one = Fields::parse(json);
    auto text = one.text("aud", limits::token_text);
    if (one.ok()) return {text};
    auto many = Fields::parse(json);
    auto list = many.texts("aud", limits::token_audiences, limits::token_text);
    return many.ok() ? list : std::vector<std::string>();
}

std::optional<Algorithm> algorithm_of(std::string_view name) {
    if (name == "RS256") return Algorithm::rs256;
    if (name == "ES256") return Algorithm::es256;
    return std::nullopt;
}

// Big-endian bytes, without zeros in front.
std::optional<Bytes> number(Fields& fields, std::string_view key) {
    auto bytes = wire::from_base64url(fields.text(key, limits::sign_in_text));
    if (!bytes || !fields.ok()) return std::nullopt;
    const auto first = std::find_if(bytes->begin(), bytes->end(), [](std::uint8_t b) { return b != 0; });
    return Bytes(first, bytes->end());
}

std::optional<VerifyKey> read_key(Fields& item) {
    VerifyKey key;
    const auto type = text_or_nothing(item, "kty"), use = text_or_nothing(item, "use"),
               name = text_or_nothing(item, "alg");
    key.kid = text_or_nothing(item, "kid");
    if (!item.ok() || (!use.empty() && use != "sig")) return std::nullopt;
    if (type == "RSA") {
        auto n = number(item, "n"), e = number(item, "e");
        if (!n || !e || n->size() < 256 || n->size() > 1024 || e->empty() || e->size() > 4)
            return std::nullopt;
        key.n = std::move(*n);
        key.e = std::move(*e);
        // An even exponent, or 1, verifies anything.
        if (!(key.e.back() & 1) || key.e == Bytes{1}) return std::nullopt;
    } else if (type == "EC" && text_or_nothing(item, "crv") == "P-256") {
        key.algorithm = Algorithm::es256;
        auto x = wire::from_base64url(item.text("x", 64)), y = wire::from_base64url(item.text("y", 64));
        if (!x || !y || x->size() != 32 || y->size() != 32) return std::nullopt;
        key.x = std::move(*x);
        key.y = std::move(*y);
    } else {
        return std::nullopt;
    }
    if (!item.ok() || (!name.empty() && algorithm_of(name) != key.algorithm)) return std::nullopt;
    return key;
}

}  // namespace

Result<Token> read_token(std::string_view text) {
    if (text.size() > limits::token_bytes) return no_token();
    const auto first = text.find('.');
    const auto second = first == std::string_view::npos ? first : text.find('.', first + 1);
    if (second == std::string_view::npos) return no_token();
    auto head_json = wire::from_base64url(text.substr(0, first)),
         claims_json = wire::from_base64url(text.substr(first + 1, second - first - 1)),
         signature = wire::from_base64url(text.substr(second + 1));
    if (!head_json || !claims_json || !signature) return no_token();

    auto head = Fields::parse(*head_json);
    auto algorithm = algorithm_of(head.text("alg", limits::token_text));
    if (head.ok() && !algorithm)
        return fail(Fault::protocol, "the id_token is signed by an algorithm other than RS256 and ES256");
    Token token;
    token.kid = text_or_nothing(head, "kid");
    if (!head.ok() || head.has("crit")) return no_token();  // "crit": must be understood, and is not
    token.algorithm = *algorithm;
    token.signed_part = text.substr(0, second);
    token.signature = std::move(*signature);

    auto claims = Fields::parse(*claims_json);
    token.issuer = claims.text("iss", limits::token_text);
    token.subject = claims.text("sub", limits::token_text);
    token.expires_s = claims.i64("exp");
    token.made_s = claims.i64("iat");
    token.not_before_s = time_or_zero(claims, "nbf");
    token.nonce = text_or_nothing(claims, "nonce");
    token.party = text_or_nothing(claims, "azp");
    token.audience = read_audience(as_text(*claims_json));
    if (!claims.ok() || token.audience.empty()) return no_token();
    return token;
}

Result<std::vector<VerifyKey>> read_keys(std::string_view json) {
    auto set = Fields::parse(json);
    auto items = set.objects("keys", limits::sign_in_keys);
    if (!set.ok()) return fail(Fault::protocol, "the provider's set of keys is malformed");
    std::vector<VerifyKey> keys;
    for (auto& item : items)
        if (auto key = read_key(item)) keys.push_back(std::move(*key));
    return keys;
}

Result<> check_token(const Token& token, std::span<const VerifyKey> keys, const Expected& expected,
                     std::int64_t now_s, const Verify& verify) {
    auto refused = [](const char* why) { return fail(Fault::refused, why); };
    if (token.issuer != expected.issuer) return refused("the id_token is another provider's");
    const auto& audience = token.audience;
    if (std::find(audience.begin(), audience.end(), expected.audience) == audience.end() ||
        (audience.size() > 1 && token.party.empty()) ||
        (!token.party.empty() && token.party != expected.audience))
        return refused("the id_token is for another client");
    bool any = false, good = false;
    for (const auto& key : keys) {
        if (key.algorithm != token.algorithm || (!token.kid.empty() && key.kid != token.kid)) continue;
        any = true;
        good = good || verify(key, as_bytes(token.signed_part), token.signature);
    }
    if (!any) return fail(Fault::unavailable, "the id_token is signed by a key that is not known");
    if (!good) return refused("the id_token's signature is not good");
    // Times come last: nobody learns from them what a forged token lacks.
    if (token.subject.empty()) return refused("the id_token names nobody");
    if (token.expires_s <= now_s - limits::token_skew_s) return refused("the id_token has expired");
    if (token.made_s > now_s + limits::token_skew_s || token.not_before_s > now_s + limits::token_skew_s)
        return refused("the id_token is not valid yet");
    if (token.made_s < now_s - limits::token_age_s - limits::token_skew_s)
        return refused("the id_token was made too long ago");
    return {};
}

}  // namespace kith::signin

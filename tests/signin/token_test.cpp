// Tokens and keys, with the signatures of two standards' examples (RFC 7515, A.2 and A.3).
#include "signin/token.h"

#include <doctest/doctest.h>

#include "net/signature.h"
#include "signin/limits.h"
#include "wire/url.h"

using namespace kith;
using namespace kith::signin;

namespace {

const std::string rsa_n =
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-"
    "SFd2lZS-"
    "pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-"
    "UTo7WTBEMa2R2CapHg665"
    "xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_"
    "h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const std::string claims =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const std::string rsa_signature =
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
    "O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcA"
    "cQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--"
    "xi12jzDwusC-eOkHW"
    "EsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_"
    "IoypGlUPQGe77Rw";
const std::string ec_x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                  ec_y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const std::string ec_signature =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

Bytes raw(const std::string& text) {
    auto bytes = wire::from_base64url(text);
    REQUIRE(bytes);
    return *bytes;
}

std::string keys_json() {
    return R"({"keys":[{"kty":"oct","k":"AAAA","kid":"h"},{"kty":"RSA","kid":"r","use":"enc","n":")" + rsa_n +
           R"(","e":"AQAB"},{"kty":"RSA","kid":"r","alg":"RS256","use":"sig","n":")" + rsa_n +
           R"(","e":"AQAB"},{"kty":"EC","crv":"P-256","kid":"e","x":")" + ec_x + R"(","y":")" + ec_y +
           R"("}]})";
}

std::string token_of(const std::string& head, const std::string& body) {
    return wire::to_base64url(as_bytes(head)) + "." + wire::to_base64url(as_bytes(body)) + ".AAAA";
}
std::string body_with(const std::string& more = "") {
    return R"({"iss":"i","sub":"s","aud":"c","iat":1000,"exp":2000)" + more + "}";
}

const Verify yes = [](const VerifyKey&, ByteView, ByteView) { return true; };

}  // namespace

TEST_CASE("signatures of RFC 7515 verify, and no others") {
    const auto n = raw(rsa_n), e = raw("AQAB"), signature = raw(rsa_signature);
    const auto message = to_bytes("eyJhbGciOiJSUzI1NiJ9." + claims);
    CHECK(net::verify_rs256(n, e, message, signature));
    for (std::size_t i : {std::size_t{0}, signature.size() - 1}) {
        auto other = signature;
        other[i] ^= 1;
        CHECK_FALSE(net::verify_rs256(n, e, message, other));
    }
    CHECK_FALSE(net::verify_rs256(n, e, to_bytes("x"), signature));
    CHECK_FALSE(net::verify_rs256(n, e, message, {}));
    CHECK_FALSE(net::verify_rs256({}, {}, message, signature));
    const auto x = raw(ec_x), y = raw(ec_y), pair = raw(ec_signature);
    const auto other_message = to_bytes("eyJhbGciOiJFUzI1NiJ9." + claims);
    CHECK(net::verify_es256(x, y, other_message, pair));
    auto changed = pair;
    changed[40] ^= 1;
    CHECK_FALSE(net::verify_es256(x, y, other_message, changed));
    CHECK_FALSE(net::verify_es256(x, y, message, pair));
    CHECK_FALSE(net::verify_es256(y, x, other_message, pair));  // no point of the curve
    CHECK_FALSE(net::verify_es256(x, y, other_message, Bytes(64)));
    CHECK_FALSE(net::verify_es256(x, y, other_message, {}));
}

TEST_CASE("of a set of keys those are taken that sign, and that can be trusted to") {
    auto keys = read_keys(keys_json());
    REQUIRE(keys);
    REQUIRE(keys->size() == 2);
    CHECK((*keys)[0].algorithm == Algorithm::rs256);
    CHECK((*keys)[1].algorithm == Algorithm::es256);
    auto one = [](const std::string& key) { return read_keys("{\"keys\":[" + key + "]}")->size(); };
    CHECK(one(R"({"kty":"RSA","n":")" + rsa_n + R"(","e":"AQAB"})") == 1);
    CHECK(one(R"({"kty":"RSA","n":")" + rsa_n + R"(","e":"AQ"})") == 0);    // 1
    CHECK(one(R"({"kty":"RSA","n":")" + rsa_n + R"(","e":"AQAA"})") == 0);  // even
    CHECK(one(R"({"kty":"RSA","n":"AQAB","e":"AQAB"})") == 0);              // short
    CHECK(one(R"({"kty":"RSA","alg":"HS256","n":")" + rsa_n + R"(","e":"AQAB"})") == 0);
    CHECK(one(R"({"kty":"RSA","alg":"ES256","n":")" + rsa_n + R"(","e":"AQAB"})") == 0);
    CHECK(one(R"({"kty":"EC","crv":"P-384","x":")" + ec_x + R"(","y":")" + ec_y + R"("})") == 0);
    CHECK(one(R"({"kty":"EC","crv":"P-256","x":"AAAA","y":")" + ec_y + R"("})") == 0);
    for (const char* bad : {"", "[]", "{}", R"({"keys":{}})", R"({"keys":[1]})", R"({"keys":[],"keys":[]})"})
        CHECK_FALSE(read_keys(bad));
}

TEST_CASE("what is no token, or of another algorithm, is refused before anything is asked of a key") {
    CHECK(read_token(token_of(R"({"alg":"RS256"})", body_with())));
    for (const char* head :
         {R"({"alg":"none"})", R"({"alg":"HS256"})", R"({"alg":"RS384"})", R"({"alg":"rs256"})", R"({})",
          R"({"alg":"RS256","crit":["x"]})", R"({"alg":"RS256","alg":"none"})", R"([])"})
        CHECK_MESSAGE(!read_token(token_of(head, body_with())), head);
    for (const char* body :
         {R"({})", R"({"iss":"i","sub":"s","aud":[],"iat":1,"exp":2})",
          R"({"iss":"i","sub":"s","aud":7,"iat":1,"exp":2})", R"({"iss":"i","sub":"s","aud":"c","iat":1})",
          R"({"iss":"i","sub":"s","aud":"c","iat":"1","exp":2})",
          R"({"iss":"i","iss":"j","sub":"s","aud":"c","iat":1,"exp":2})"})
        CHECK_MESSAGE(!read_token(token_of(R"({"alg":"RS256"})", body)), body);
    const auto good = token_of(R"({"alg":"RS256"})", body_with());
    for (const auto& bad : {std::string(), std::string("a.b"), good + "=", good + ".", good.substr(1),
                            "." + good, good + std::string(limits::token_bytes, 'A')})
        CHECK_FALSE(read_token(bad));
}

TEST_CASE("a token counts for one issuer, one client, one key, and a while") {
    auto keys = *read_keys(keys_json());
    const Expected expected{"i", "c"};
    auto check = [&](const std::string& more, std::int64_t now = 1100,
                     const std::string& head = R"({"alg":"RS256","kid":"r"})") {
        auto token = read_token(token_of(head, body_with(more)));
        REQUIRE(token);
        auto checked = check_token(*token, keys, expected, now, yes);
        return checked ? std::string() : checked.error().what;
    };
    CHECK(check("").empty());
    CHECK(check("", 1100, R"({"alg":"ES256","kid":"e"})").empty());
    CHECK(check("", 1100, R"({"alg":"RS256"})").empty());
    CHECK(check("", 1100, R"({"alg":"ES256","kid":"r"})").find("not known") != std::string::npos);
    CHECK(check("", 1100, R"({"alg":"RS256","kid":"e"})").find("not known") != std::string::npos);
    CHECK(check(R"(,"azp":"d")").find("another client") != std::string::npos);
    CHECK(check("", 1000 - limits::token_skew_s).empty());
    CHECK(check("", 1000 - limits::token_skew_s - 1).find("not valid yet") != std::string::npos);
    CHECK(check(R"(,"nbf":1500)").find("not valid yet") != std::string::npos);
    CHECK(check("", 1000 + limits::token_age_s + limits::token_skew_s).empty());
    CHECK(check("", 1000 + limits::token_age_s + limits::token_skew_s + 1).find("too long ago") !=
          std::string::npos);
    CHECK(check("", 2000 + limits::token_skew_s).find("expired") != std::string::npos);

    auto token = *read_token(token_of(R"({"alg":"RS256"})", body_with()));
    CHECK(check_token(token, keys, {"i", "d"}, 1100, yes).error().kind == Fault::refused);
    CHECK(check_token(token, keys, {"j", "c"}, 1100, yes).error().kind == Fault::refused);
    CHECK(check_token(token, {}, expected, 1100, yes).error().kind == Fault::unavailable);
    CHECK(check_token(token, keys, expected, 1100, [](const VerifyKey&, ByteView, ByteView) { return false; })
              .error()
              .kind == Fault::refused);
    auto several = *read_token(token_of(
        R"({"alg":"RS256"})", R"({"iss":"i","sub":"s","aud":["x","c"],"iat":1000,"exp":2000,"azp":"c"})"));
    CHECK(check_token(several, keys, expected, 1100, yes));
}

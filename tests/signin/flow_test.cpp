// The client's side of signing in.
#include "signin/flow.h"

#include <doctest/doctest.h>

using namespace kith;
using namespace kith::signin;

namespace {

const FlowSecrets secrets{"the-state", "the-nonce", "the-verifier", "the-challenge"};

Flow flow_of(const std::string& login_parameters = "client_id=tmtp&scope=openid%20profile",
             const std::string& token_parameters = "") {
    auto provider = read_provider("P", {"https://id.example.org/auth?x=1", login_parameters},
                                  {"https://id.example.org/token", token_parameters});
    REQUIRE(provider);
    return Flow(std::move(*provider), secrets);
}

wire::Parameters query_of(const std::string& url) {
    return wire::from_form(std::string_view(url).substr(url.find('?') + 1));
}
std::string value(const wire::Parameters& parameters, std::string_view name) {
    const auto* found = wire::find(parameters, name);
    return found ? *found : "(none)";
}

std::string token_with(const std::string& nonce, std::int64_t expires) {
    const std::string claims = R"({"iss":"i","sub":"s","aud":"tmtp","iat":1,"exp":)" +
                               std::to_string(expires) + R"(,"nonce":")" + nonce + "\"}";
    return wire::to_base64url(as_bytes(R"({"alg":"RS256"})")) + "." + wire::to_base64url(as_bytes(claims)) +
           ".AAAA";
}

}  // namespace

TEST_CASE("the address to open has the service's parameters, and those that bind the answer to this flow") {
    auto flow = flow_of();
    CHECK_FALSE(flow.port());
    const auto url = flow.login_url(4567);
    CHECK(url.starts_with("https://id.example.org/auth?x=1&"));
    const auto query = query_of(url);
    CHECK(value(query, "client_id") == "tmtp");
    CHECK(value(query, "scope") == "openid profile");
    CHECK(value(query, "response_type") == "code");
    CHECK(value(query, "redirect_uri") == "http://127.0.0.1:4567/sign-in");
    CHECK(value(query, "state") == "the-state");
    CHECK(value(query, "nonce") == "the-nonce");
    CHECK(value(query, "code_challenge") == "the-challenge");
    CHECK(value(query, "code_challenge_method") == "S256");
}

TEST_CASE("a service may fix the port, and not where the code goes or what the state is") {
    auto fixed = flow_of("client_id=tmtp&redirect_uri=http%3A%2F%2Flocalhost%3A8123%2Fcb");
    CHECK(fixed.port() == 8123);
    CHECK(value(query_of(fixed.login_url(8123)), "redirect_uri") == "http://localhost:8123/cb");
    CHECK(fixed.came("/cb?state=the-state&code=c").next);
    for (const char* elsewhere :
         {"https%3A%2F%2Fevil.example%2F", "http%3A%2F%2Fevil.example%2F", "https%3A%2F%2F127.0.0.1%2F"}) {
        auto flow =
            flow_of(std::string("client_id=tmtp&state=x&nonce=y&code_challenge=z&redirect_uri=") + elsewhere);
        const auto query = query_of(flow.login_url(4567));
        CHECK(value(query, "redirect_uri") == "http://127.0.0.1:4567/sign-in");
        CHECK(value(query, "state") == "the-state");
        CHECK(value(query, "nonce") == "the-nonce");
        CHECK(value(query, "code_challenge") == "the-challenge");
    }
}

TEST_CASE("only who knows the state is heard, and once") {
    auto flow = flow_of();
    (void)flow.login_url(4567);
    for (const char* nothing : {"", "/", "/sign-in", "/sign-in?code=c", "/sign-in?code=c&state=",
                                "/sign-in?code=c&state=the-stat", "/other?code=c&state=the-state",
                                "/sign-in?error=x&state=nope", "/sign-in/?code=c&state=the-state"}) {
        auto came = flow.came(nothing);
        CHECK_MESSAGE((!came.next && !came.failed && came.page.starts_with("HTTP/1.1 404")), nothing);
    }
    auto came = flow.came("/sign-in?code=a%2Fb&state=the-state&iss=x");
    REQUIRE(came.next);
    CHECK(came.next->post);
    CHECK(came.next->url.host == "id.example.org");
    const auto form = wire::from_form(came.next->body);
    CHECK(value(form, "grant_type") == "authorization_code");
    CHECK(value(form, "client_id") == "tmtp");
    CHECK(value(form, "code") == "a/b");
    CHECK(value(form, "code_verifier") == "the-verifier");
    CHECK(value(form, "redirect_uri") == "http://127.0.0.1:4567/sign-in");
    auto again = flow.came("/sign-in?code=other&state=the-state");
    CHECK((!again.next && !again.failed));
}

TEST_CASE("what the provider refuses ends the flow, in words that steer no terminal") {
    auto flow = flow_of();
    (void)flow.login_url(4567);
    auto came = flow.came("/sign-in?error=access_denied&error_description=no%1b%5b2J&state=the-state");
    REQUIRE(came.failed);
    CHECK(came.failed->kind == Fault::refused);
    CHECK(came.failed->what.find("no?[2J") != std::string::npos);
}

TEST_CASE("a token counts when it is of this flow and has not expired") {
    auto answer = [](const std::string& token) {
        return wire::HttpAnswer{200, R"({"access_token":"secret","id_token":")" + token + "\"}"};
    };
    auto flow = flow_of();
    const auto good = token_with("the-nonce", 1000);
    CHECK(flow.answered(answer(good), 900) == good);
    CHECK(flow.answered(answer(token_with("another", 1000)), 900).error().kind == Fault::refused);
    CHECK(flow.answered(answer(token_with("", 1000)), 900).error().kind == Fault::refused);
    CHECK(flow.answered(answer(good), 2000).error().kind == Fault::refused);
    CHECK(flow.answered(answer("x"), 900).error().kind == Fault::protocol);
    CHECK(flow.answered({200, "{}"}, 900).error().kind == Fault::protocol);
    CHECK(flow.answered({200, "<html>"}, 900).error().kind == Fault::protocol);
    CHECK(flow.answered({400, answer(good).body}, 900).error().kind == Fault::refused);
}

TEST_CASE("addresses that are not safe to sign in with are refused") {
    CHECK(read_provider("P", {"https://a/l"}, {"https://a/t"}));
    for (const char* bad :
         {"http://a/l", "http://127.0.0.1/l", "", "javascript:x", "file:///etc/passwd", "https://a@b/"}) {
        CHECK_MESSAGE(!read_provider("P", {bad}, {"https://a/t"}), bad);
        CHECK_MESSAGE(!read_provider("P", {"https://a/l"}, {bad}), bad);
    }
    CHECK_FALSE(read_provider("P", {}, {"https://a/t"}));
    CHECK(read_provider("a\x1b[2J\xc3\xbc", {"https://a/l"}, {"https://a/t"})->label == "a?[2J??");
}

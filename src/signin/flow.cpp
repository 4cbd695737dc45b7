#include "signin/flow.h"

#include <algorithm>

#include "base/secret.h"
#include "signin/limits.h"
#include "signin/token.h"
#include "wire/fields.h"

namespace kith::signin {
namespace {

using wire::Parameters;

// What a provider says may hold anything: for people, without what could steer a terminal.
std::string shown(std::string_view text) {
    std::string safe(text.substr(0, 200));
    for (char& c : safe)
        if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
    return safe;
}

Result<wire::Url> read_address(const std::vector<std::string>& from, const char* what) {
    auto url = from.empty() ? std::nullopt : wire::parse_url(from[0]);
    if (!url || !url->tls)
        return fail(Fault::protocol,
                    std::string("the service gives no ") + what + " address that is safe to sign in with",
                    "tell the service's operator");
    return *url;
}

Parameters read_parameters(const std::vector<std::string>& from) {
    return from.size() > 1 ? wire::from_form(from[1].starts_with('?') ? from[1].substr(1) : from[1])
                           : Parameters();
}

// Sets it unless the service has.
void fill(Parameters& parameters, std::string_view name, const std::string& value) {
    const auto* given = wire::find(parameters, name);
    if (!given || given->empty()) wire::set(parameters, name, value);
}

constexpr const char* again = "run the command again";

}  // namespace

Result<Provider> read_provider(std::string label, const std::vector<std::string>& login,
                               const std::vector<std::string>& token) {
    for (const auto* list : {&login, &token})
        for (const auto& text : *list)
            if (text.size() > limits::sign_in_text)
                return fail(Fault::protocol, "the service gives a sign-in address that is too long",
                            "tell the service's operator");
    KITH_TRY_VALUE(login_url, read_address(login, "login"));
    KITH_TRY_VALUE(token_url, read_address(token, "token"));
    return Provider{shown(label), login_url, token_url, read_parameters(login), read_parameters(token)};
}

Flow::Flow(Provider provider, FlowSecrets secrets)
    : provider_(std::move(provider)), secrets_(std::move(secrets)) {
    const auto* given = wire::find(provider_.login_parameters, "redirect_uri");
    auto url = given ? wire::parse_url(*given) : std::nullopt;
    // An address elsewhere would hand the code to others.
    if (!url || url->tls || !wire::is_loopback(*url)) return;
    port_ = url->port;
    redirect_ = *given;
    path_ = url->path.substr(0, url->path.find('?'));
}

std::string Flow::login_url(std::uint16_t port) {
    if (redirect_.empty()) redirect_ = "http://127.0.0.1:" + std::to_string(port) + path_;
    auto parameters = provider_.login_parameters;
    fill(parameters, "response_type", "code");
    fill(parameters, "scope", "openid");
    wire::set(parameters, "redirect_uri", redirect_);
    wire::set(parameters, "state", secrets_.state);
    wire::set(parameters, "nonce", secrets_.nonce);
    wire::set(parameters, "code_challenge", secrets_.challenge);
    wire::set(parameters, "code_challenge_method", "S256");
    const auto& login = provider_.login;
    return (login.tls ? "https://" : "http://") + login.authority() + login.path +
           (login.path.find('?') == std::string::npos ? "?" : "&") + wire::to_form(parameters);
}

Flow::Came Flow::came(std::string_view target) {
    const Came nothing{wire::page(404, "Nothing here", "This address is for signing in."), {}, {}};
    const auto question = std::min(target.find('?'), target.size());
    if (target.substr(0, question) != path_) return nothing;
    const auto given = wire::from_form(target.substr(std::min(question + 1, target.size())));
    const auto* state = wire::find(given, "state");
    if (!state || !equal_constant_time(as_bytes(*state), as_bytes(secrets_.state)) || code_taken_)
        return nothing;
    const auto* code = wire::find(given, "code");
    const auto* error = wire::find(given, "error");
    code_taken_ = true;
    if (error || !code || code->empty()) {
        const auto* why = wire::find(given, "error_description");
        return {wire::page(200, "Not signed in", "You can close this page."),
                {},
                Error{Fault::refused,
                      "the provider did not sign you in" +
                          (error ? " (it said: " + shown(why ? *why : *error) + ")" : std::string()),
                      again}};
    }
    auto parameters = provider_.token_parameters;
    fill(parameters, "grant_type", "authorization_code");
    if (const auto* client = wire::find(provider_.login_parameters, "client_id"))
        fill(parameters, "client_id", *client);
    wire::set(parameters, "redirect_uri", redirect_);
    wire::set(parameters, "code", *code);
    wire::set(parameters, "code_verifier", secrets_.verifier);
    return {wire::page(200, "Signed in", "You can close this page and go back to kith."),
            wire::HttpRequest{provider_.token, true, wire::to_form(parameters)},
            {}};
}

// The token came from the provider itself, over TLS, so its signature is not checked here (OpenID Connect
// Core, 3.1.3.7): that it belongs to this flow is.
Result<std::string> Flow::answered(const wire::HttpAnswer& answer, std::int64_t now_s) {
    if (answer.status != 200)
        return fail(Fault::refused,
                    "the provider gave no token (HTTP status " + std::to_string(answer.status) + ")", again);
    auto fields = wire::Fields::parse(answer.body);
    auto text = fields.text("id_token", limits::token_bytes);
    if (!fields.ok())
        return fail(Fault::protocol, "the provider's answer holds no id_token",
                    "tell the service's operator");
    KITH_TRY_VALUE(token, read_token(text));
    if (!equal_constant_time(as_bytes(token.nonce), as_bytes(secrets_.nonce)))
        return fail(Fault::refused, "the provider gave the token of another sign-in", again);
    if (token.expires_s <= now_s - limits::token_skew_s)
        return fail(Fault::refused, "the provider's token has expired", "check this device's clock");
    return text;
}

}  // namespace kith::signin

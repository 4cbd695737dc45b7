// Signing in at a provider of OpenID Connect (the authorization code flow, with PKCE: RFC 6749, 7636, 8252),
// as a machine without I/O. The caller shows login_url() to the owner, listens on loopback, hands what a
// browser asks for there to came(), sends the request that this gives to the provider, and hands its answer
// to answered().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/http.h"
#include "wire/url.h"

namespace kith::signin {

struct Provider {
    std::string label;
    wire::Url login, token;
    wire::Parameters login_parameters, token_parameters;
};
// What a service gives: a label, and for login and token each an address and, or not, parameters as in a
// query. Fault::protocol unless both addresses are https.
Result<Provider> read_provider(std::string label, const std::vector<std::string>& login,
                               const std::vector<std::string>& token);

// Fresh for each flow.
struct FlowSecrets {
    std::string state, nonce, verifier;  // base64url of 32 random bytes each
    std::string challenge;               // base64url of the verifier's SHA-256
};

class Flow {
  public:
    Flow(Provider provider, FlowSecrets secrets);

    // The port to listen on, where the provider's parameters say one; nothing: any.
    std::optional<std::uint16_t> port() const { return port_; }
    // Once it listens.
    std::string login_url(std::uint16_t port);

    struct Came {
        std::string page;                       // for the browser
        std::optional<wire::HttpRequest> next;  // to the provider
        std::optional<Error> failed;            // the flow is over
    };
    // Whatever does not know the state is told nothing and changes nothing: any program here, and any page in
    // the browser, can ask. A code is taken once.
    Came came(std::string_view target);
    // What Register carries: the token alone. What else the provider gave (a key to the person's data, say)
    // is nothing that a service needs.
    Result<std::string> answered(const wire::HttpAnswer& answer, std::int64_t now_s);

  private:
    Provider provider_;
    FlowSecrets secrets_;
    std::optional<std::uint16_t> port_;
    std::string redirect_;  // where the browser comes back to
    std::string path_ = "/sign-in";
    bool code_taken_ = false;
};

}  // namespace kith::signin

// Addresses of the web, form-encoded parameters, base64url.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace kith::wire {

// RFC 4648, section 5, without padding. Decoding takes nothing else.
std::string to_base64url(ByteView bytes);
std::optional<Bytes> from_base64url(std::string_view text);

// application/x-www-form-urlencoded, in the order given. Decoding keeps what is not well escaped as it is.
using Parameters = std::vector<std::pair<std::string, std::string>>;
std::string to_form(const Parameters& parameters);
Parameters from_form(std::string_view text);
// The first of this name, or nothing.
const std::string* find(const Parameters& parameters, std::string_view name);
// Sets it, instead of all of this name.
void set(Parameters& parameters, std::string_view name, std::string value);

// http or https; no user, no fragment.
struct Url {
    bool tls = true;
    std::string host;  // without brackets
    std::uint16_t port = 443;
    std::string path = "/";  // and what follows a "?"
    std::string authority() const;
};
std::optional<Url> parse_url(std::string_view text);
// Whether the host is this machine, by an address that nothing else can answer at.
bool is_loopback(const Url& url);

}  // namespace kith::wire

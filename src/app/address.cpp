#include "app/address.h"

#include <charconv>

namespace kith::app {

std::string ServiceAddress::text() const {
    bool brackets = host.find(':') != std::string::npos;
    return std::string(pinned ? "=" : "+") + (brackets ? "[" + host + "]" : host) + ":" +
           std::to_string(port);
}

Result<ServiceAddress> parse_address(std::string_view text) {
    auto wrong = [&] {
        return fail(Fault::invalid, "'" + std::string(text) + "' is not a service's address",
                    "write =host:port, or +host:port when its certificate comes from an authority");
    };
    if (text.size() > 300 || text.size() < 4 || (text[0] != '=' && text[0] != '+')) return wrong();
    ServiceAddress address;
    address.pinned = text[0] == '=';
    auto rest = text.substr(1);
    auto colon = rest.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return wrong();
    auto host = rest.substr(0, colon), port = rest.substr(colon + 1);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']')
        host = host.substr(1, host.size() - 2);
    else if (host.find(':') != std::string_view::npos)
        return wrong();
    for (char c : host)
        if (c <= ' ' || c == '/' || c == '@' || c == 127) return wrong();
    auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (error != std::errc() || end != port.data() + port.size() || address.port == 0) return wrong();
    address.host = host;
    return address;
}

}  // namespace kith::app

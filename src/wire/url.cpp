#include "wire/url.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "wire/limits.h"

namespace kith::wire {
namespace {

constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view digits = "0123456789ABCDEF";

bool is_alphanumeric(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

std::string escape(std::string_view text) {
    std::string out;
    for (char c : text) {
        if (is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~') {
            out += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            out += {'%', digits[byte >> 4], digits[byte & 15]};
        }
    }
    return out;
}

std::string unescape(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+') {
            out += ' ';
        } else if (text[i] == '%' && i + 2 < text.size() && from_hex(text.substr(i + 1, 2))) {
            out += static_cast<char>((*from_hex(text.substr(i + 1, 2)))[0]);
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

}  // namespace

std::string to_base64url(ByteView bytes) {
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const auto left = std::min<std::size_t>(3, bytes.size() - i);
        std::uint32_t group = 0;
        for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < left ? bytes[i + k] : 0u);
        for (std::size_t k = 0; k <= left; ++k) out += letters[group >> (18 - 6 * k) & 63];
    }
    return out;
}

std::optional<Bytes> from_base64url(std::string_view text) {
    if (text.size() % 4 == 1) return std::nullopt;
    Bytes out;
    out.reserve(text.size() * 3 / 4);
    std::uint32_t group = 0;
    int bits = 0;
    for (char c : text) {
        const auto value = letters.find(c);
        if (value == std::string_view::npos) return std::nullopt;
        group = group << 6 | static_cast<std::uint32_t>(value);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out.push_back(static_cast<std::uint8_t>(group >> bits));
            group &= (1u << bits) - 1;
        }
    }
    if (group != 0) return std::nullopt;  // two texts must not stand for the same bytes
    return out;
}

std::string to_form(const Parameters& parameters) {
    std::string out;
    for (const auto& [name, value] : parameters)
        out += (out.empty() ? "" : "&") + escape(name) + "=" + escape(value);
    return out;
}

Parameters from_form(std::string_view text) {
    Parameters parameters;
    while (!text.empty()) {
        const auto end = std::min(text.find('&'), text.size());
        const auto item = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (item.empty()) continue;
        const auto equals = std::min(item.find('='), item.size());
        parameters.emplace_back(unescape(item.substr(0, equals)),
                                unescape(item.substr(std::min(equals + 1, item.size()))));
    }
    return parameters;
}

const std::string* find(const Parameters& parameters, std::string_view name) {
    for (const auto& [key, value] : parameters)
        if (key == name) return &value;
    return nullptr;
}

void set(Parameters& parameters, std::string_view name, std::string value) {
    std::erase_if(parameters, [&](const auto& one) { return one.first == name; });
    parameters.emplace_back(name, std::move(value));
}

std::string Url::authority() const {
    const auto shown = host.find(':') != std::string::npos ? "[" + host + "]" : host;
    return port == (tls ? 443 : 80) ? shown : shown + ":" + std::to_string(port);
}

std::optional<Url> parse_url(std::string_view text) {
    Url url;
    if (text.size() > limits::url_bytes) return std::nullopt;
    for (char c : text)
        if (c <= ' ' || c == 0x7f || c == '#' || c == '\\') return std::nullopt;
    if (text.starts_with("https://")) {
        text.remove_prefix(8);
    } else if (text.starts_with("http://")) {
        text.remove_prefix(7);
        url.tls = false;
        url.port = 80;
    } else {
        return std::nullopt;
    }
    const auto end = std::min(text.find_first_of("/?"), text.size());
    auto authority = text.substr(0, end);
    if (end < text.size()) url.path = (text[end] == '?' ? "/" : "") + std::string(text.substr(end));
    auto host_end = authority.starts_with('[') ? authority.find(']') + 1 : authority.find(':');
    if (authority.starts_with('[') && host_end == 0) return std::nullopt;
    host_end = std::min(host_end, authority.size());
    auto host = authority.substr(0, host_end), port = authority.substr(host_end);
    if (host.starts_with('[')) {
        host = host.substr(1, host.size() - 2);
        if (host.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos) return std::nullopt;
    } else if (!std::all_of(host.begin(), host.end(),
                            [](char c) { return is_alphanumeric(c) || c == '-' || c == '.'; })) {
        return std::nullopt;
    }
    if (!port.empty()) {
        port.remove_prefix(1);
        auto [rest, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
        if (error != std::errc{} || rest != port.data() + port.size() || url.port == 0) return std::nullopt;
    }
    if (host.empty() || host.size() > 255) return std::nullopt;
    url.host = host;
    return url;
}

bool is_loopback(const Url& url) {
    return url.host == "127.0.0.1" || url.host == "::1" || url.host == "localhost";
}

}  // namespace kith::wire

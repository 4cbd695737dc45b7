#include "pairing/shown_text.h"

#include <algorithm>

#include "base/limits.h"
#include "wire/base32.h"

namespace kith::pairing {
namespace {

constexpr std::size_t check_size = 4;

// So that a truncated or mistyped text is told from a good one; guards against nobody.
Bytes check_of(std::string_view purpose, ByteView bytes) {
    const std::uint8_t zero = 0;
    auto sum = crypto::Hasher().add(purpose).add({&zero, 1}).add(bytes).finish();
    return {sum.begin(), sum.begin() + check_size};
}

}  // namespace

std::string squeeze(std::string_view text) {
    std::string out;
    for (char c : text) {
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
        out.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
        if (out.size() > limits::offer_text) break;
    }
    return out;
}

std::string write_shown(std::string_view prefix, std::string_view purpose, ByteView bytes) {
    auto all = to_bytes(bytes);
    append(all, check_of(purpose, bytes));
    auto text = std::string(prefix) + wire::to_base32(all);
    wipe(all);
    return text;
}

std::optional<Bytes> read_shown(std::string_view squeezed, std::string_view prefix,
                                std::string_view purpose) {
    if (squeezed.size() > limits::offer_text) return std::nullopt;
    auto decoded = wire::from_base32(squeezed.substr(prefix.size()));
    if (!decoded || decoded->size() < 2 + check_size) return std::nullopt;
    const auto body = ByteView(*decoded).first(decoded->size() - check_size);
    const bool fits = check_of(purpose, body) == Bytes(decoded->end() - check_size, decoded->end());
    auto bytes = to_bytes(body);
    wipe(*decoded);
    if (!fits) return std::nullopt;
    return bytes;
}

std::vector<Address> loopback_last(std::vector<Address> addresses) {
    std::stable_partition(addresses.begin(), addresses.end(),
                          [](const Address& a) { return !a.is_loopback(); });
    return addresses;
}

void append_addresses(Bytes& bytes, const std::vector<Address>& addresses, std::string_view prefix) {
    const auto most = (limits::offer_text_qr - prefix.size()) * 5 / 8;
    for (const auto& address : loopback_last(addresses)) {
        if (address.bytes.size() != 4 && address.bytes.size() != 16) continue;
        if (bytes.size() + 1 + address.bytes.size() + check_size > most) continue;
        bytes.push_back(address.bytes.size() == 4 ? 4 : 6);
        append(bytes, address.bytes);
    }
}

std::optional<std::vector<Address>> read_addresses(ByteView bytes) {
    std::vector<Address> list;
    while (!bytes.empty()) {
        const std::size_t size = bytes[0] == 4 ? 4 : bytes[0] == 6 ? 16 : 0;
        if (size == 0 || bytes.size() < 1 + size) return std::nullopt;
        list.push_back({to_bytes(bytes.subspan(1, size))});
        bytes = bytes.subspan(1 + size);
    }
    if (list.empty()) return std::nullopt;
    return list;
}

}  // namespace kith::pairing

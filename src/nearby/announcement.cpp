#include "nearby/announcement.h"

#include <algorithm>
#include <charconv>

#include "crypto/hash.h"
#include "crypto/keys.h"
#include "nearby/limits.h"

namespace kith::nearby {

namespace {

constexpr std::size_t name_size = 16;
constexpr std::string_view name_letters = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::string_view tag_purpose = "kith.nearby.tag";

Bytes pack_addresses(const std::vector<Bytes>& addresses) {
    Bytes packed;
    std::size_t count = 0;
    for (const auto& address : addresses) {
        if ((address.size() != 4 && address.size() != 16) || count == limits::announcement_addresses)
            continue;
        packed.push_back(address.size() == 4 ? 4 : 6);
        append(packed, address);
        ++count;
    }
    return packed;
}

std::optional<std::vector<Bytes>> unpack_addresses(ByteView packed) {
    std::vector<Bytes> addresses;
    while (!packed.empty()) {
        const std::size_t size = packed[0] == 4 ? 4 : packed[0] == 6 ? 16 : 0;
        if (size == 0 || packed.size() < 1 + size || addresses.size() == limits::announcement_addresses)
            return std::nullopt;
        addresses.push_back(to_bytes(packed.subspan(1, size)));
        packed = packed.subspan(1 + size);
    }
    return addresses;
}

// The values of the keys that matter, each at most once.
struct Values {
    std::optional<std::string_view> version, kind, key, port, addresses, tag;
};

std::optional<Values> read_values(ByteView rdata) {
    Values values;
    std::size_t strings = 0;
    while (!rdata.empty()) {
        const std::size_t size = rdata[0];
        if (rdata.size() < 1 + size || ++strings > limits::announcement_strings) return std::nullopt;
        const auto text = as_text(rdata.subspan(1, size));
        rdata = rdata.subspan(1 + size);
        const auto equals = text.find('=');
        if (equals == std::string_view::npos) continue;
        const auto name = text.substr(0, equals);
        std::optional<std::string_view>* slot = name == "v"      ? &values.version
                                                : name == "kind" ? &values.kind
                                                : name == "key"  ? &values.key
                                                : name == "port" ? &values.port
                                                : name == "at"   ? &values.addresses
                                                : name == "tag"  ? &values.tag
                                                                 : nullptr;
        if (slot == nullptr) continue;
        if (*slot) return std::nullopt;
        *slot = text.substr(equals + 1);
    }
    return values;
}

Key key_of(const Key& key, std::string_view instance, const std::vector<Bytes>& addresses) {
    Bytes context = to_bytes(instance);
    context.push_back(0);
    append(context, pack_addresses(addresses));
    return crypto::derive(key, tag_purpose, context);
}

}  // namespace

std::string random_name(Random& random) {
    std::array<std::uint8_t, name_size> bytes{};
    random.fill(bytes);
    std::string name;
    for (auto byte : bytes) name.push_back(name_letters[byte % name_letters.size()]);
    return name;
}

bool is_name(std::string_view text) {
    return text.size() == name_size && text.find_first_not_of(name_letters) == std::string_view::npos;
}

std::vector<std::string> to_strings(const Announcement& announcement) {
    std::vector<std::string> strings{"v=1"};
    if (announcement.kind != Kind::device) {
        strings.push_back(announcement.kind == Kind::offer ? "kind=offer" : "kind=invitation");
        strings.push_back("key=" + announcement.server_key.hex());
        strings.push_back("port=" + std::to_string(announcement.port));
    } else {
        strings.push_back("kind=device");
        strings.push_back("tag=" + to_hex(announcement.tag));
    }
    strings.push_back("at=" + to_hex(pack_addresses(announcement.addresses)));
    return strings;
}

Bytes to_rdata(const std::vector<std::string>& strings) {
    Bytes rdata;
    for (const auto& string : strings) {
        rdata.push_back(static_cast<std::uint8_t>(string.size()));
        append(rdata, string);
    }
    return rdata;
}

std::optional<Announcement> from_rdata(ByteView rdata) {
    if (rdata.size() > limits::announcement_bytes) return std::nullopt;
    const auto values = read_values(rdata);
    if (!values || !values->version || values->version->empty() ||
        values->version->find_first_not_of("0123456789") != std::string_view::npos)
        return std::nullopt;
    Announcement announcement;
    if (*values->version != "1") {
        announcement.kind = Kind::newer;
        return announcement;
    }
    const auto packed = from_hex(values->addresses.value_or(""));
    auto addresses = packed ? unpack_addresses(*packed) : std::nullopt;
    if (!addresses || addresses->empty() || !values->kind) return std::nullopt;
    announcement.addresses = std::move(*addresses);
    if (*values->kind == "offer" || *values->kind == "invitation") {
        const auto key = LinkPublic::from_hex(values->key.value_or(""));
        const auto port = values->port.value_or("");
        const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), announcement.port);
        if (!key || error != std::errc() || end != port.data() + port.size() || announcement.port == 0)
            return std::nullopt;
        announcement.kind = *values->kind == "offer" ? Kind::offer : Kind::invitation;
        announcement.server_key = *key;
        return announcement;
    }
    if (*values->kind == "device") {
        auto tag = from_hex(values->tag.value_or(""));
        if (!tag || tag->empty()) return std::nullopt;
        announcement.kind = Kind::device;
        announcement.tag = std::move(*tag);
        return announcement;
    }
    announcement.kind = Kind::newer;  // a kind that came later
    return announcement;
}

Key tag_key(const Key& person_secret) {
    return crypto::derive(person_secret, "kith.nearby.key");
}

Bytes make_tag(const Key& key, const Presence& presence, std::string_view instance,
               const std::vector<Bytes>& addresses, Random& random) {
    Bytes plain = to_bytes(presence.device.view());
    plain.push_back(static_cast<std::uint8_t>(presence.port >> 8));
    plain.push_back(static_cast<std::uint8_t>(presence.port));
    append_u64(plain, static_cast<std::uint64_t>(std::max<std::int64_t>(presence.unix_ms, 0)));
    return crypto::seal(key_of(key, instance, addresses), tag_purpose, plain, random);
}

std::optional<Presence> open_tag(const Key& key, ByteView tag, std::string_view instance,
                                 const std::vector<Bytes>& addresses) {
    const auto opened = crypto::open(key_of(key, instance, addresses), tag_purpose, tag);
    constexpr std::size_t size = DeviceId::size + 2 + 8;
    if (!opened || opened->size() != size) return std::nullopt;
    const auto plain = opened->view();
    Presence presence;
    presence.device = *DeviceId::from(plain.first(DeviceId::size));
    presence.port = static_cast<std::uint16_t>(plain[DeviceId::size] << 8 | plain[DeviceId::size + 1]);
    const auto time = load_u64(plain.data() + DeviceId::size + 2);
    if (presence.port == 0 || time > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
    presence.unix_ms = static_cast<std::int64_t>(time);
    return presence;
}

}  // namespace kith::nearby

#include "nearby/avahi_text.h"

#include "nearby/announcement.h"
#include "nearby/limits.h"

namespace kith::nearby {

AvahiStringList* make_strings(const std::vector<std::string>& strings) {
    AvahiStringList* list = nullptr;
    // A list grows at its head.
    for (auto at = strings.rbegin(); at != strings.rend(); ++at)
        list = avahi_string_list_add_arbitrary(list, reinterpret_cast<const std::uint8_t*>(at->data()),
                                               at->size());
    return list;
}

std::optional<Bytes> bytes_of(AvahiStringList* strings) {
    const auto size = avahi_string_list_serialize(strings, nullptr, 0);
    if (size > limits::announcement_bytes) return std::nullopt;
    Bytes bytes(size);
    bytes.resize(avahi_string_list_serialize(strings, bytes.data(), bytes.size()));
    return bytes;
}

std::string txt_name(const std::string& instance) {
    return instance + "." + std::string(service_type) + ".local";
}

}  // namespace kith::nearby

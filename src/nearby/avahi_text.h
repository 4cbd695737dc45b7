// Names and string lists as Avahi's libraries take them. Of use to this layer's sources alone.
#pragma once

#include <avahi-common/strlst.h>

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace kith::nearby {

// To be freed with avahi_string_list_free.
AvahiStringList* make_strings(const std::vector<std::string>& strings);
// A TXT record's data; nothing when it is larger than limits::announcement_bytes.
std::optional<Bytes> bytes_of(AvahiStringList* strings);
// The full name of an instance. Instances are names of ours, which need no escapes.
std::string txt_name(const std::string& instance);

}  // namespace kith::nearby

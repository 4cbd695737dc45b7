#include "roster/memory.h"

#include "base/limits.h"

namespace kith::roster {
namespace {

// Who sends garbage must not fill the memory with it.
template <class Map>
void make_room(Map& map) {
    if (map.size() >= 2 * limits::roster_entries) map.clear();
}

}  // namespace

bool Memory::signed_by(const Entry& entry, const SignPublic& key) {
    const auto name =
        crypto::Hasher().add(entry.id.view()).add(entry.signature.view()).add(key.view()).finish();
    auto at = signatures_.find(name);
    if (at != signatures_.end()) return at->second;
    make_room(signatures_);
    return signatures_[name] = roster::signed_by(entry, key);
}

std::optional<Request> Memory::request(const SignedRequest& request) {
    const auto name =
        crypto::Hasher().add(request.by_device.view()).add(request.by_act.view()).add(request.bytes).finish();
    auto at = requests_.find(name);
    if (at != requests_.end()) return at->second;
    make_room(requests_);
    auto read = read_request(request);
    return requests_[name] = read ? std::optional(std::move(*read)) : std::nullopt;
}

}  // namespace kith::roster

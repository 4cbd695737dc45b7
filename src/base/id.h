// Ids: each its own type, so that one cannot pass for another. All are compared and ordered as bytes and
// written as lower-case hexadecimal.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace kith {

template <class Tag, std::size_t N>
struct Id {
    static constexpr std::size_t size = N;
    std::array<std::uint8_t, N> bytes{};

    auto operator<=>(const Id&) const = default;
    ByteView view() const { return bytes; }
    std::string hex() const { return to_hex(bytes); }
    bool is_zero() const { return *this == Id{}; }

    static std::optional<Id> from(ByteView raw) {
        if (raw.size() != N) return std::nullopt;
        Id id;
        std::copy(raw.begin(), raw.end(), id.bytes.begin());
        return id;
    }
    static std::optional<Id> from_hex(std::string_view text) {
        auto raw = kith::from_hex(text);
        return raw ? from(*raw) : std::nullopt;
    }
};

using PersonId = Id<struct PersonTag, 32>;        // hash of the roster's first entry
using DeviceId = Id<struct DeviceTag, 32>;        // hash of the device's signed request
using EntryId = Id<struct EntryTag, 32>;          // hash of a roster entry's body
using RecordId = Id<struct RecordTag, 32>;        // hash of a record's canonical form
using BlobId = Id<struct BlobTag, 32>;            // hash over a blob's pieces
using AccountId = Id<struct AccountTag, 16>;      // random, fixed once
using SignPublic = Id<struct SignPublicTag, 32>;  // Ed25519
using LinkPublic = Id<struct LinkPublicTag, 32>;  // Curve25519, CurveZMQ
using Signature = Id<struct SignatureTag, 64>;    // Ed25519

}  // namespace kith

template <class Tag, std::size_t N>
struct std::hash<kith::Id<Tag, N>> {
    std::size_t operator()(const kith::Id<Tag, N>& id) const noexcept {
        std::size_t value;
        std::memcpy(&value, id.bytes.data(), sizeof value);
        return value;
    }
};

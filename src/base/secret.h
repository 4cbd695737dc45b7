// Secrets: move-only bytes that wipe themselves, compare in constant time, and cannot be printed or logged
// (there is no stream operator and no conversion to text).
#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include "base/bytes.h"

namespace kith {

// Overwrites `bytes` with zeros; the compiler cannot leave it out.
void wipe(std::span<std::uint8_t> bytes);

// True when both are equal; takes a time that depends on the sizes alone.
bool equal_constant_time(ByteView a, ByteView b);

// A secret of fixed size.
template <std::size_t N>
class Secret {
  public:
    Secret() = default;
    explicit Secret(std::span<const std::uint8_t, N> from) {
        std::copy(from.begin(), from.end(), bytes_.begin());
    }
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    Secret(Secret&& other) noexcept : bytes_(other.bytes_) { wipe(other.bytes_); }
    Secret& operator=(Secret&& other) noexcept {
        if (this != &other) {
            bytes_ = other.bytes_;
            wipe(other.bytes_);
        }
        return *this;
    }
    ~Secret() { wipe(bytes_); }

    static constexpr std::size_t size() { return N; }
    // Borrowed: the view must not outlive the secret.
    std::span<const std::uint8_t, N> view() const { return bytes_; }
    std::span<std::uint8_t, N> fill() { return bytes_; }
    Secret copy() const { return Secret(view()); }
    bool operator==(const Secret& other) const { return equal_constant_time(bytes_, other.bytes_); }

  private:
    std::array<std::uint8_t, N> bytes_{};
};

using Key = Secret<32>;

// A secret of any size, a passphrase say.
class SecretBytes {
  public:
    SecretBytes() = default;
    explicit SecretBytes(Bytes bytes) : bytes_(std::move(bytes)) {}
    explicit SecretBytes(ByteView bytes) : bytes_(bytes.begin(), bytes.end()) {}
    SecretBytes(const SecretBytes&) = delete;
    SecretBytes& operator=(const SecretBytes&) = delete;
    SecretBytes(SecretBytes&& other) noexcept : bytes_(std::move(other.bytes_)) { other.bytes_.clear(); }
    SecretBytes& operator=(SecretBytes&& other) noexcept {
        if (this != &other) {
            wipe(bytes_);
            bytes_ = std::move(other.bytes_);
            other.bytes_.clear();
        }
        return *this;
    }
    ~SecretBytes() { wipe(bytes_); }

    ByteView view() const { return bytes_; }
    bool empty() const { return bytes_.empty(); }
    std::size_t size() const { return bytes_.size(); }
    SecretBytes copy() const { return SecretBytes(view()); }

  private:
    Bytes bytes_;
};

}  // namespace kith

// Reading JSON heads strictly. A Fields is one JSON object; its getters never throw: the first thing that
// does not fit is kept, later getters return empty values, and `finish` reports it. So a head is read in one
// go and checked once:
//
//     auto head = Fields::parse(text);
//     Offer offer{head.u64("v"), head.text("name", limits::name_bytes)};
//     KITH_TRY(head.finish("offer"));
//
// Parsing refuses what is not one JSON object of valid UTF-8, a key that occurs twice (at any depth: two
// readers could each take another one), and nesting deeper than limits::json_depth.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/id.h"
#include "base/result.h"

namespace kith::wire {

class Fields {
  public:
    static Fields parse(std::string_view json);
    static Fields parse(ByteView json) { return parse(as_text(json)); }
    Fields(Fields&&) noexcept;
    Fields& operator=(Fields&&) noexcept;
    ~Fields();

    bool has(std::string_view key) const;

    std::string text(std::string_view key, std::size_t max_bytes);
    // Empty when it is missing.
    std::string text_or_empty(std::string_view key, std::size_t max_bytes) {
        return has(key) ? text(key, max_bytes) : std::string();
    }
    std::uint64_t u64(std::string_view key);  // 0 .. 2^53-1, an integer
    std::int64_t i64(std::string_view key);   // -(2^53-1) .. 2^53-1
    bool flag(std::string_view key);
    Bytes hex(std::string_view key, std::size_t max_bytes);
    Fields object(std::string_view key);
    std::vector<Fields> objects(std::string_view key, std::size_t max_count);
    std::vector<std::string> texts(std::string_view key, std::size_t max_count, std::size_t max_bytes);

    template <class IdType>
    IdType id(std::string_view key) {
        if (auto value = IdType::from(hex(key, IdType::size))) return *value;
        reject(key, "has the wrong length");
        return {};
    }
    template <class IdType>
    std::vector<IdType> ids(std::string_view key, std::size_t max_count) {
        std::vector<IdType> list;
        for (auto& text : texts(key, max_count, IdType::size * 2)) {
            if (auto value = IdType::from_hex(text))
                list.push_back(*value);
            else
                reject(key, "holds an id of the wrong length");
        }
        return list;
    }

    // Marks the object as bad, for checks of the caller's own.
    void reject(std::string_view key, std::string_view why);
    bool ok() const;
    // The first thing that did not fit, as Fault::protocol with `name` as context. Keys that were never read
    // are ignored: later versions may add some.
    Result<> finish(std::string_view name) const;
    // Like finish, and every key must have been read: for signed heads, where an unknown key could mean
    // something that this version would disregard.
    Result<> finish_exact(std::string_view name) const;

  private:
    struct State;
    explicit Fields(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace kith::wire

// A TMTP header as the protocol reads it: one JSON object whose keys count without regard to case, the last
// of duplicates wins, unknown keys are ignored. (kith's own wires are stricter: wire/fields.h.)
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kith::tmtp {

class Head {
  public:
    // Nothing when `json` is not one JSON object of valid UTF-8, or is nested deeper than limits::json_depth.
    static std::optional<Head> parse(std::string_view json);

    // Keys are asked for in lower case. A key whose value is null counts as absent.
    bool has(std::string_view key) const;
    // The value, or nothing when it is absent; a value of another type marks the head as bad.
    std::optional<std::string> text(std::string_view key) const;
    std::string text_or_empty(std::string_view key) const { return text(key).value_or(std::string()); }
    std::optional<std::int64_t> number(std::string_view key) const;  // whole, -(2^53-1) .. 2^53-1
    std::optional<bool> flag(std::string_view key) const;
    std::optional<Head> object(std::string_view key) const;
    // At most `max` elements, each an object or a text; more, or something else, marks the head as bad.
    std::optional<std::vector<Head>> objects(std::string_view key, std::size_t max) const;
    std::optional<std::vector<std::string>> texts(std::string_view key, std::size_t max) const;

    // False once a getter has met a value of the wrong type.
    bool ok() const { return ok_; }

  private:
    struct State;
    explicit Head(std::shared_ptr<const State> state) : state_(std::move(state)) {}
    std::shared_ptr<const State> state_;
    mutable bool ok_ = true;
};

}  // namespace kith::tmtp

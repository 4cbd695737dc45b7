#include "tmtp/head.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "tmtp/json_text.h"
#include "wire/json.h"

namespace kith::tmtp {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t max_exact = (std::int64_t{1} << 53) - 1;

void to_lower(std::string& text) {
    for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
}

// Lowers keys while building the value; a key that comes again overwrites.
class LoweringBuilder : public nlohmann::detail::json_sax_dom_parser<Json> {
    using Base = nlohmann::detail::json_sax_dom_parser<Json>;

  public:
    explicit LoweringBuilder(Json& into) : Base(into, false) {}

    bool start_object(std::size_t size) { return ++depth_ <= limits::json_depth && Base::start_object(size); }
    bool end_object() { return --depth_, Base::end_object(); }
    bool start_array(std::size_t size) { return ++depth_ <= limits::json_depth && Base::start_array(size); }
    bool end_array() { return --depth_, Base::end_array(); }
    bool key(std::string& name) {
        to_lower(name);
        return Base::key(name);
    }

  private:
    std::size_t depth_ = 0;
};

}  // namespace

struct Head::State {
    Json object;

    // Null and absent are the same.
    const Json* find(std::string_view key) const {
        auto at = object.find(std::string(key));
        return at == object.end() || at->is_null() ? nullptr : &*at;
    }
};

std::optional<Head> Head::parse(std::string_view json) {
    if (json.starts_with('\xef'))
        return std::nullopt;  // a byte order mark, which the library would pass over
    auto state = std::make_shared<State>();
    LoweringBuilder builder(state->object);
    if (!Json::sax_parse(json, &builder) || !state->object.is_object()) return std::nullopt;
    return Head(std::move(state));
}

bool Head::has(std::string_view key) const {
    return state_->find(key) != nullptr;
}

std::optional<std::string> Head::text(std::string_view key) const {
    const Json* value = state_->find(key);
    if (!value) return std::nullopt;
    if (!value->is_string()) return ok_ = false, std::nullopt;
    return value->get<std::string>();
}

std::optional<std::int64_t> Head::number(std::string_view key) const {
    const Json* value = state_->find(key);
    if (!value) return std::nullopt;
    if (value->is_number_unsigned()) {
        if (value->get<std::uint64_t>() <= static_cast<std::uint64_t>(max_exact))
            return value->get<std::int64_t>();
    } else if (value->is_number_integer()) {
        if (value->get<std::int64_t>() >= -max_exact) return value->get<std::int64_t>();
    }
    return ok_ = false, std::nullopt;
}

std::optional<bool> Head::flag(std::string_view key) const {
    const Json* value = state_->find(key);
    if (!value) return std::nullopt;
    if (!value->is_boolean()) return ok_ = false, std::nullopt;
    return value->get<bool>();
}

std::optional<Head> Head::object(std::string_view key) const {
    const Json* value = state_->find(key);
    if (!value) return std::nullopt;
    if (!value->is_object()) return ok_ = false, std::nullopt;
    auto state = std::make_shared<State>();
    state->object = *value;
    return Head(std::move(state));
}

std::optional<std::vector<Head>> Head::objects(std::string_view key, std::size_t max) const {
    const Json* value = state_->find(key);
    if (!value) return std::nullopt;
    if (!value->is_array() || value->size() > max) return ok_ = false, std::nullopt;
    std::vector<Head> list;
    for (const auto& item : *value) {
        if (!item.is_object()) return ok_ = false, std::nullopt;
        auto state = std::make_shared<State>();
        state->object = item;
        list.push_back(Head(std::move(state)));
    }
    return list;
}

std::optional<std::vector<std::string>> Head::texts(std::string_view key, std::size_t max) const {
    const Json* value = state_->find(key);
    if (!value) return std::nullopt;
    if (!value->is_array() || value->size() > max) return ok_ = false, std::nullopt;
    std::vector<std::string> list;
    for (const auto& item : *value) {
        if (!item.is_string()) return ok_ = false, std::nullopt;
        list.push_back(item.get<std::string>());
    }
    return list;
}

std::string json_text(const Json& value) {
    std::string plain = wire::json_text(value);
    std::string text;
    text.reserve(plain.size());
    for (std::size_t i = 0; i < plain.size(); ++i) {
        std::string_view rest(plain.data() + i, plain.size() - i);
        if (plain[i] == '<') {
            text += "\\u003c";
        } else if (plain[i] == '>') {
            text += "\\u003e";
        } else if (plain[i] == '&') {
            text += "\\u0026";
        } else if (rest.starts_with("\xe2\x80\xa8") || rest.starts_with("\xe2\x80\xa9")) {
            text += rest[2] == '\xa8' ? "\\u2028" : "\\u2029";
            i += 2;
        } else {
            text += plain[i];
        }
    }
    return text;
}

void put(Json& json, const char* key, const std::string& value) {
    if (!value.empty()) json[key] = value;
}

void put(Json& json, const char* key, std::uint64_t value) {
    if (value) json[key] = value;
}

void put(Json& json, const char* key, std::optional<std::uint32_t> value) {
    if (value) json[key] = *value;
}

}  // namespace kith::tmtp

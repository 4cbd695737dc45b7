#include "wire/fields.h"

#include <nlohmann/json.hpp>
#include <set>

#include "base/limits.h"

namespace kith::wire {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t max_exact = (std::int64_t{1} << 53) - 1;

// Refuses duplicate keys and deep nesting while building the value.
class StrictBuilder : public nlohmann::detail::json_sax_dom_parser<Json> {
    using Base = nlohmann::detail::json_sax_dom_parser<Json>;

  public:
    explicit StrictBuilder(Json& into) : Base(into, false) {}

    bool start_object(std::size_t size) {
        keys_.emplace_back();
        return keys_.size() + arrays_ <= limits::json_depth && Base::start_object(size);
    }
    bool key(std::string& name) { return keys_.back().insert(name).second && Base::key(name); }
    bool end_object() {
        keys_.pop_back();
        return Base::end_object();
    }
    bool start_array(std::size_t size) {
        ++arrays_;
        return keys_.size() + arrays_ <= limits::json_depth && Base::start_array(size);
    }
    bool end_array() {
        --arrays_;
        return Base::end_array();
    }

  private:
    std::vector<std::set<std::string>> keys_;
    std::size_t arrays_ = 0;
};

}  // namespace

struct Fields::State {
    Json object = Json::object();
    std::set<std::string, std::less<>> read;
    std::string error;

    const Json* find(std::string_view key) {
        read.emplace(key);
        auto at = object.find(std::string(key));
        if (at != object.end()) return &*at;
        reject(key, "is missing");
        return nullptr;
    }
    void reject(std::string_view key, std::string_view why) {
        if (error.empty()) error = "\"" + std::string(key) + "\" " + std::string(why);
    }
};

Fields::Fields(std::unique_ptr<State> state) : state_(std::move(state)) {}
Fields::Fields(Fields&&) noexcept = default;
Fields& Fields::operator=(Fields&&) noexcept = default;
Fields::~Fields() = default;

Fields Fields::parse(std::string_view json) {
    auto state = std::make_unique<State>();
    Json root;
    StrictBuilder builder(root);
    if (!Json::sax_parse(json, &builder)) {
        state->error = "not JSON, nested too deep, or a key occurs twice";
    } else if (!root.is_object()) {
        state->error = "not a JSON object";
    } else {
        state->object = std::move(root);
    }
    return Fields(std::move(state));
}

bool Fields::has(std::string_view key) const {
    return state_->object.contains(std::string(key));
}

std::string Fields::text(std::string_view key, std::size_t max_bytes) {
    const Json* value = state_->find(key);
    if (!value) return {};
    if (!value->is_string()) return reject(key, "is not a text"), std::string();
    const auto& text = value->get_ref<const std::string&>();
    if (text.size() > max_bytes) return reject(key, "is too long"), std::string();
    return text;
}

std::uint64_t Fields::u64(std::string_view key) {
    std::int64_t value = i64(key);
    if (value < 0) return reject(key, "is negative"), 0;
    return static_cast<std::uint64_t>(value);
}

std::int64_t Fields::i64(std::string_view key) {
    const Json* value = state_->find(key);
    if (!value) return 0;
    if (value->is_number_unsigned() && value->get<std::uint64_t>() <= static_cast<std::uint64_t>(max_exact))
        return static_cast<std::int64_t>(value->get<std::uint64_t>());
    if (value->is_number_integer() && !value->is_number_unsigned() &&
        value->get<std::int64_t>() >= -max_exact && value->get<std::int64_t>() <= max_exact)
        return value->get<std::int64_t>();
    reject(key, "is not a whole number in range");
    return 0;
}

bool Fields::flag(std::string_view key) {
    const Json* value = state_->find(key);
    if (!value) return false;
    if (!value->is_boolean()) return reject(key, "is not true or false"), false;
    return value->get<bool>();
}

Bytes Fields::hex(std::string_view key, std::size_t max_bytes) {
    auto bytes = from_hex(text(key, max_bytes * 2));
    if (!bytes) return reject(key, "is not hexadecimal"), Bytes();
    return *bytes;
}

Fields Fields::object(std::string_view key) {
    auto state = std::make_unique<State>();
    const Json* value = state_->find(key);
    if (value && value->is_object()) {
        state->object = *value;
    } else {
        reject(key, "is not an object");
        state->error = state_->error;
    }
    return Fields(std::move(state));
}

std::vector<Fields> Fields::objects(std::string_view key, std::size_t max_count) {
    std::vector<Fields> list;
    const Json* value = state_->find(key);
    if (!value) return list;
    if (!value->is_array() || value->size() > max_count)
        return reject(key, "is not a list of allowed size"), std::move(list);
    for (const auto& item : *value) {
        if (!item.is_object()) return reject(key, "holds what is not an object"), std::vector<Fields>();
        auto state = std::make_unique<State>();
        state->object = item;
        list.push_back(Fields(std::move(state)));
    }
    return list;
}

std::vector<std::string> Fields::texts(std::string_view key, std::size_t max_count, std::size_t max_bytes) {
    std::vector<std::string> list;
    const Json* value = state_->find(key);
    if (!value) return list;
    if (!value->is_array() || value->size() > max_count)
        return reject(key, "is not a list of allowed size"), std::move(list);
    for (const auto& item : *value) {
        if (!item.is_string() || item.get_ref<const std::string&>().size() > max_bytes)
            return reject(key, "holds what is not a short text"), std::vector<std::string>();
        list.push_back(item.get<std::string>());
    }
    return list;
}

void Fields::reject(std::string_view key, std::string_view why) {
    state_->reject(key, why);
}

bool Fields::ok() const {
    return state_->error.empty();
}

Result<> Fields::finish(std::string_view name) const {
    if (ok()) return {};
    return fail(Fault::protocol, std::string(name) + ": " + state_->error);
}

Result<> Fields::finish_exact(std::string_view name) const {
    KITH_TRY(finish(name));
    for (const auto& [key, value] : state_->object.items())
        if (!state_->read.contains(key))
            return fail(Fault::protocol, std::string(name) + ": unknown \"" + key + "\"");
    return {};
}

}  // namespace kith::wire

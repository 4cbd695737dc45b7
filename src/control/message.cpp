#include "control/message.h"

#include <optional>
#include <set>
#include <vector>

#include "base/limits.h"
#include "wire/json.h"

namespace kith::control {
namespace {

tl::unexpected<Error> not_protocol(std::string what) {
    return fail(Fault::protocol, std::move(what), "both programs must be of the same version of kith");
}

// The text under `key`; nothing when it is missing or no text.
std::optional<std::string> text_of(const Json& object, const char* key) {
    auto at = object.find(key);
    if (at == object.end() || !at->is_string()) return std::nullopt;
    return at->get<std::string>();
}

Result<Json> parse_object(std::string_view line) {
    KITH_TRY_VALUE(object, parse_json(line));
    if (!object.is_object()) return not_protocol("a line is not a JSON object");
    return object;
}

// Moves the texts of `from` into secrets, and wipes what stays behind.
Result<Secrets> take_secrets(Json& from) {
    Secrets secrets;
    if (!from.is_object()) return not_protocol("\"secrets\" is not an object");
    bool ok = true;
    for (auto& [name, value] : from.items()) {
        auto* text = value.get_ptr<std::string*>();
        if (!text || text->size() > limits::passphrase_bytes) {
            ok = false;
            continue;
        }
        secrets.set(name, SecretBytes(as_bytes(*text)));
        wipe_text(*text);
    }
    if (!ok) return not_protocol("a secret is too long or not a text");
    return secrets;
}

Result<FromClient> parse_start(Json& object) {
    if (object.value("v", Json()) != version)
        return not_protocol("this is version " + std::to_string(version) +
                            " of the control protocol, not the one asked for");
    Start start;
    auto method = text_of(object, "method");
    if (!method) return not_protocol("\"method\" is not a text");
    start.method = std::move(*method);
    if (auto args = object.find("args"); args != object.end()) {
        if (!args->is_object()) return not_protocol("\"args\" is not an object");
        start.args = std::move(*args);
    }
    if (auto secrets = object.find("secrets"); secrets != object.end()) {
        KITH_TRY_VALUE(taken, take_secrets(*secrets));
        start.secrets = std::move(taken);
    }
    return start;
}

Json start_json(const Start& start) {
    Json object{{"v", version}, {"method", start.method}, {"args", start.args}};
    for (const auto& [name, value] : start.secrets.all())
        if (!value.empty()) object["secrets"][name] = std::string(as_text(value.view()));
    return object;
}

Json named(const char* kind, const std::string& name, Json fields) {
    fields[kind] = name;
    return fields;
}

// Wipes all texts under "secrets" of a line's object once it is dumped.
void wipe_secrets(Json& object) {
    auto secrets = object.find("secrets");
    if (secrets == object.end()) return;
    for (auto& value : *secrets)
        if (auto* text = value.get_ptr<std::string*>()) wipe_text(*text);
}

template <class... F>
struct Visitor : F... {
    using F::operator()...;
};
template <class... F>
Visitor(F...) -> Visitor<F...>;

}  // namespace

SecretBytes Secrets::get(std::string_view name) const {
    auto at = values_.find(name);
    return at == values_.end() ? SecretBytes() : at->second.copy();
}

Result<FromClient> parse_from_client(std::string_view line) {
    KITH_TRY_VALUE(object, parse_object(line));
    if (object.contains("method")) return parse_start(object);
    if (auto name = text_of(object, "answer")) {
        auto value = text_of(object, "value");
        if (!value) return not_protocol("an answer has no \"value\"");
        return Answer{std::move(*name), std::move(*value)};
    }
    if (object.value("cancel", Json()) == true) return Cancel{};
    return not_protocol("a line is neither a request, an answer nor a cancel");
}

Result<FromDaemon> parse_from_daemon(std::string_view line) {
    KITH_TRY_VALUE(object, parse_object(line));
    if (auto name = text_of(object, "event")) {
        object.erase("event");
        return Event{std::move(*name), std::move(object)};
    }
    if (auto name = text_of(object, "ask")) {
        object.erase("ask");
        return Ask{std::move(*name), std::move(object)};
    }
    if (auto at = object.find("result"); at != object.end()) return Finished{std::move(*at)};
    if (auto at = object.find("error"); at != object.end() && at->is_object())
        return Failed{error_from_json(*at)};
    return not_protocol("the daemon sent a line that is neither an event, a question nor an end");
}

std::string to_line(const FromClient& message) {
    return std::visit(Visitor{
                          [](const Start& start) {
                              Json object = start_json(start);
                              std::string line = wire::json_text(object);
                              wipe_secrets(object);
                              return line;
                          },
                          [](const Answer& answer) {
                              return wire::json_text(Json{{"answer", answer.name}, {"value", answer.value}});
                          },
                          [](const Cancel&) {
                              return wire::json_text(Json{{"cancel", true}});
                          },
                      },
                      message);
}

std::string to_line(const FromDaemon& message) {
    return std::visit(
        Visitor{
            [](const Event& event) { return wire::json_text(named("event", event.name, event.fields)); },
            [](const Ask& ask) { return wire::json_text(named("ask", ask.name, ask.fields)); },
            [](const Finished& end) {
                return wire::json_text(Json{{"result", end.result}});
            },
            [](const Failed& end) {
                return wire::json_text(Json{{"error", to_json(end.error)}});
            },
        },
        message);
}

Result<Json> parse_json(std::string_view text) {
    // nlohmann's parser keeps its stack on the heap, and what the callback turns away is never built: so
    // depth cannot crash it. A key that occurs twice could mean one thing to us and another to the next
    // reader.
    std::vector<std::set<std::string>> keys;
    bool strict = true;
    auto check = [&](int depth, Json::parse_event_t event, Json& value) {
        switch (event) {
            case Json::parse_event_t::object_start:
                keys.emplace_back();
                [[fallthrough]];
            case Json::parse_event_t::array_start:
                if (depth >= static_cast<int>(limits::json_depth)) strict = false;
                break;
            case Json::parse_event_t::key:
                if (keys.empty() || !keys.back().insert(value.get<std::string>()).second) strict = false;
                break;
            case Json::parse_event_t::object_end:
                if (!keys.empty()) keys.pop_back();
                break;
            case Json::parse_event_t::array_end:
            case Json::parse_event_t::value:
                break;
        }
        return strict;
    };
    Json json = Json::parse(text, check, false);
    if (!strict) return not_protocol("a line is nested too deep or has a key twice");
    if (json.is_discarded()) return not_protocol("a line is not JSON");
    return json;
}

Json to_json(const Error& error) {
    return {{"kind", fault_name(error.kind)}, {"message", error.what}, {"hint", error.hint}};
}

Error error_from_json(const Json& json) {
    auto text = [&](const char* key) { return json.is_object() ? text_of(json, key).value_or("") : ""; };
    Error error{Fault::protocol, text("message"), text("hint")};
    std::string kind = text("kind");
    for (int i = 0; i <= static_cast<int>(Fault::forbidden); ++i)
        if (fault_name(static_cast<Fault>(i)) == kind) error.kind = static_cast<Fault>(i);
    return error;
}

void wipe_text(std::string& text) {
    wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
    text.clear();
}

}  // namespace kith::control

// The lines of the control protocol as values, and their text. One JSON object a line; src/control/README.md
// is the specification. Nothing here does I/O or throws; what a line holds is checked for form only, the
// arguments of a method are the handler's to check.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "base/secret.h"

namespace kith::control {

using Json = nlohmann::json;

// The protocol's version: "v" of every request.
inline constexpr int version = 1;

// Secrets of a request by name ("passphrase", "new_passphrase"). They travel apart from the arguments, so
// that arguments can be logged.
class Secrets {
  public:
    // Replaces an earlier one of that name.
    void set(std::string name, SecretBytes value) { values_[std::move(name)] = std::move(value); }
    bool has(std::string_view name) const { return values_.find(name) != values_.end(); }
    // A copy, empty when there is none: an empty passphrase and none are the same to kith.
    SecretBytes get(std::string_view name) const;
    const std::map<std::string, SecretBytes, std::less<>>& all() const { return values_; }

  private:
    std::map<std::string, SecretBytes, std::less<>> values_;
};

// Client to daemon: one Start first, then any number of the others.
struct Start {
    std::string method;
    Json args = Json::object();
    Secrets secrets;
};
struct Answer {
    std::string name;
    std::string value;
};
struct Cancel {};
using FromClient = std::variant<Start, Answer, Cancel>;

// Daemon to client: any number of Event and Ask, then one Finished or Failed.
struct Event {
    std::string name;
    Json fields = Json::object();  // without "event" itself
};
struct Ask {
    std::string name;
    Json fields = Json::object();  // without "ask" itself
};
struct Finished {
    Json result;
};
struct Failed {
    Error error;
};
using FromDaemon = std::variant<Event, Ask, Finished, Failed>;

// Reads one line without its end. Fault::protocol for what is not of the protocol, is nested too deep, or has
// a key twice. The daemon's reader does not know the length limit: the socket enforces it.
Result<FromClient> parse_from_client(std::string_view line);
Result<FromDaemon> parse_from_daemon(std::string_view line);

// The text of one line, without its end; text that is not UTF-8 has its bad bytes replaced. A line of a Start
// with secrets holds them: wipe it (wipe_text) when it is sent.
std::string to_line(const FromClient& message);
std::string to_line(const FromDaemon& message);

// Strict parsing of any JSON text: valid UTF-8, no key twice, no deeper than limits::json_depth. Never
// throws.
Result<Json> parse_json(std::string_view text);

// The {"kind","message","hint"} of an error, and back; an unknown kind is read as Fault::protocol.
Json to_json(const Error& error);
Error error_from_json(const Json& json);

void wipe_text(std::string& text);

}  // namespace kith::control

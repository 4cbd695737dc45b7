// The commands of kith. Each add_... declares its commands and their options on the parser; when one is
// chosen, it leaves in `chosen` what to run.
#pragma once

#include <functional>
#include <string>

#include "cli/context.h"
#include "cli/conversation.h"

namespace CLI {
class App;
}

namespace kith::cli {

using Command = std::function<int(Context&)>;

void add_profile_commands(CLI::App& app, Command& chosen);
void add_service_commands(CLI::App& app, Command& chosen);
void add_history_commands(CLI::App& app, Command& chosen);
void add_sync_commands(CLI::App& app, Command& chosen);
// The parts of `history` that choose and erase.
void add_holding_commands(CLI::App& history, Command& chosen);
void add_device_commands(CLI::App& app, Command& chosen);
void add_nearby_commands(CLI::App& app, Command& chosen);
// The parts of `device` about who belongs, and `recovery`.
void add_trust_commands(CLI::App& app, CLI::App& device, Command& chosen);
void add_message_commands(CLI::App& app, Command& chosen);
void add_contact_commands(CLI::App& app, Command& chosen);
// `show`, of history and of messages.
void add_show_command(CLI::App& parent, Command& chosen);

// Of a list of services: why one is not online, and where somebody else used this device's secret.
void say_alarms(Context& context, const Json& services);
// What became of a request to a service.
void say_asked(Context& context, const Json& result);

// The usual end of a command: the result as JSON, or by `show` to a person; or the error.
int conclude(Context& context, const Result<Json>& result, const std::function<void(const Json&)>& show);

// The passphrase for what needs one: from `file` if it is not empty. `run` is first called without when there
// is no file; when it says Fault::locked and a person sits there, he is asked, three times at most. With
// Opens::no, `run` cannot open a profile that is locked as a whole: then nothing is asked, as no passphrase
// would help it.
enum class Opens { yes, no };
Result<std::optional<Json>> with_passphrase(
    Context& context, const std::string& file, Opens opens,
    const std::function<Result<std::optional<Json>>(SecretBytes)>& run);

// A new passphrase: from `file`, or asked for twice, or none. Says what it means to have none. A file that is
// empty by mistake must not leave a profile open to everybody: only where a command has no other way to say
// "none" does its empty line mean that.
enum class EmptyLine { refused, means_none };
Result<SecretBytes> new_passphrase(Context& context, const std::string& file,
                                   EmptyLine empty = EmptyLine::refused);

// What this device is called unless its owner says otherwise: the host's name.
std::string default_device_name();

// Texts of a result, clean; "" for what is not there or no text.
// "1200 of 6046 messages, 3.1 MB of 14.0 MB": the fields of `progress`.
std::string transfer_text(const Json& progress);
// "120 messages (1.2 MB), 3 attachments (40 MB)".
std::string left_out_text(const Json& left_out);
std::string text_in(const Json& object, const char* key);
std::uint64_t number_in(const Json& object, const char* key);
// The list under `key`, or `json` itself when it is one; empty otherwise.
Json list_in(const Json& json, const char* key = nullptr);

// `path` as the daemon needs it, whose current folder is another.
Result<std::string> absolute_path(const std::string& path);

}  // namespace kith::cli

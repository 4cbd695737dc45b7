#include "cli/commands.h"

#include <unistd.h>

#include <array>

#include "base/limits.h"
#include "cli/prompt.h"
#include "cli/text.h"

namespace kith::cli {

int conclude(Context& context, const Result<Json>& result, const std::function<void(const Json&)>& show) {
    if (!result) return context.out.error(result.error());
    context.out.value(*result);
    if (!context.out.json()) show(*result);
    return exit_ok;
}

Result<std::optional<Json>> with_passphrase(
    Context& context, const std::string& file, Opens opens,
    const std::function<Result<std::optional<Json>>(SecretBytes)>& run) {
    if (!file.empty()) {
        KITH_TRY_VALUE(passphrase, read_secret_file(file));
        return run(std::move(passphrase));
    }
    auto result = run({});
    if (!result && result.error().kind == Fault::locked && opens == Opens::no) {
        auto status = call(context, {"status", Json::object(), {}});
        if (status && text_in(*status, "state") == "locked") return result;
    }
    for (int tries = 0; tries < 3 && !result && result.error().kind == Fault::locked; ++tries) {
        if (!context.can_ask) {
            Error error = result.error();
            error.hint = "give the passphrase with --passphrase-file FILE";
            return fail(std::move(error));
        }
        if (tries > 0) context.out.note("That is not the passphrase.");
        KITH_TRY_VALUE(passphrase, ask_secret("Passphrase: "));
        result = run(std::move(passphrase));
    }
    return result;
}

Result<SecretBytes> new_passphrase(Context& context, const std::string& file, EmptyLine empty) {
    SecretBytes passphrase;
    if (!file.empty()) {
        KITH_TRY_VALUE(read, read_secret_file(file));
        if (read.empty() && empty == EmptyLine::refused)
            return fail(Fault::invalid, "the passphrase file is empty",
                        "leave the option out for no passphrase");
        passphrase = std::move(read);
    } else if (context.can_ask) {
        KITH_TRY_VALUE(asked, ask_new_secret("New passphrase for this device (Enter alone: none): ",
                                             "The same again: "));
        passphrase = std::move(asked);
    }
    if (passphrase.empty())
        context.out.note("Without a passphrase, whoever can read this device's disk can read everything.");
    return passphrase;
}

std::string default_device_name() {
    std::array<char, 256> name{};
    if (gethostname(name.data(), name.size() - 1) != 0) return "device";
    std::string text = name.data();
    return text.empty() || text.size() > limits::name_bytes || !is_utf8(text) ? "device" : text;
}

std::string transfer_text(const Json& progress) {
    std::string text = std::to_string(number_in(progress, "records")) + " of " +
                       count_text(number_in(progress, "records_total"), "message", "messages") + ", " +
                       size_text(number_in(progress, "bytes")) + " of " +
                       size_text(number_in(progress, "bytes_total"));
    if (text_in(progress, "doing") == "attachments") text += ", attachments now";
    return text;
}

std::string left_out_text(const Json& left_out) {
    auto item = [&](const char* count, const char* bytes, const char* one, const char* many) {
        auto number = number_in(left_out, count);
        return number == 0
                   ? std::string()
                   : count_text(number, one, many) + " (" + size_text(number_in(left_out, bytes)) + ")";
    };
    auto messages = item("messages", "message_bytes", "message", "messages");
    auto attachments = item("attachments", "attachment_bytes", "attachment", "attachments");
    if (messages.empty() && attachments.empty()) return "nothing";
    return messages + (messages.empty() || attachments.empty() ? "" : ", ") + attachments;
}

std::string text_in(const Json& object, const char* key) {
    if (!object.is_object()) return {};
    auto at = object.find(key);
    return at != object.end() && at->is_string() ? clean(at->get_ref<const std::string&>()) : std::string();
}

std::uint64_t number_in(const Json& object, const char* key) {
    if (!object.is_object()) return 0;
    auto at = object.find(key);
    if (at == object.end() || !at->is_number()) return 0;
    if (at->is_number_unsigned()) return at->get<std::uint64_t>();
    double value = at->get<double>();
    return value >= 0 && value < 1e18 ? static_cast<std::uint64_t>(value) : 0;
}

Json list_in(const Json& json, const char* key) {
    const Json* list = &json;
    if (key) {
        if (!json.is_object() || !json.contains(key)) return Json::array();
        list = &json.at(key);
    }
    return list->is_array() ? *list : Json::array();
}

Result<std::string> absolute_path(const std::string& path) {
    std::error_code error;
    auto absolute = std::filesystem::absolute(path, error);
    if (error) return fail(Fault::io, "the current folder cannot be found", "give an absolute path");
    return absolute.lexically_normal().string();
}

}  // namespace kith::cli

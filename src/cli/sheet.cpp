#include "cli/sheet.h"

#include "cli/prompt.h"
#include "qr/qr.h"

namespace kith::cli {
namespace {

// Letters and digits only, in one case: what counts when a sheet is typed back.
std::string essence(std::string_view text) {
    std::string plain;
    for (char c : text) {
        if (c >= 'a' && c <= 'z')
            plain += static_cast<char>(c - 'a' + 'A');
        else if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
            plain += c;
    }
    return plain;
}

}  // namespace

void show_sheet(Context& context, const std::string& recovery) {
    auto& out = context.out;
    out.say("\nRECOVERY SHEET. Write this down or print it, and keep it away from your devices:\n");
    if (auto code = qr::encode(recovery, 40))
        out.write(out.terminal() ? qr::to_terminal(*code) : qr::to_plain(*code, qr::TextColour::dark));
    out.say("\n    " + recovery + "\n");
    out.say(
        "It gives you back everything when a device is lost or stolen. Whoever has it can take your place.");
    out.say("It is not kept anywhere and will not be shown again.\n");
}

void check_sheet(Context& context, const std::string& recovery) {
    for (;;) {
        auto typed = ask("Type it back from the paper (Enter alone: leave it unchecked): ");
        if (!typed || essence(*typed).empty()) return context.out.note("The sheet was not checked.");
        if (essence(*typed) == essence(recovery)) return context.out.say("The sheet is right.");
        context.out.note("That is not what is above. Compare the paper and try again.");
    }
}

std::optional<Error> missing_sheet(const Context& context, const std::string& file) {
    if (!file.empty() || context.can_ask) return std::nullopt;
    return Error{Fault::invalid, "the recovery sheet is missing", "give it with --sheet-file FILE"};
}

Result<SecretBytes> sheet_text(Context& context, const std::string& file) {
    if (!file.empty()) return read_secret_file(file);
    if (auto missing = missing_sheet(context, file)) return fail(std::move(*missing));
    KITH_TRY_VALUE(typed, ask_secret("The recovery sheet's text (KITH-RECOVERY-...): "));
    return typed;
}

}  // namespace kith::cli

#include "cli/sign_in_view.h"

#include "cli/browser.h"
#include "cli/commands.h"

namespace kith::cli {

void show_sign_in(Context& context, const control::Event& event) {
    if (event.name != "sign_in") return;
    auto& out = context.out;
    if (out.json()) {
        Json line = event.fields;
        line["event"] = event.name;
        out.value(line);
        out.flush();
        return;
    }
    const auto url = text_in(event.fields, "url");
    out.say("Sign in with " + text_in(event.fields, "label") + ", in a browser on this machine:\n    " + url);
    out.say(open_browser(url) ? "A browser has been asked to show it."
                              : "Open it yourself: there is no screen here.");
    out.flush();
}

}  // namespace kith::cli

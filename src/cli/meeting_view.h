// What the two see of a meeting (`invite swap`, `invite new --nearby`, `invite accept --nearby`, `contact
// verify`): the offer of one side, the code of the other. Under --json one object a line.
#pragma once

#include <optional>
#include <string>

#include "cli/conversation.h"

namespace CLI {
class App;
}

namespace kith::cli {

// How the other side's offer is come by; none of them: this side shows one.
struct OfferSource {
    std::string with, scan;
    std::optional<std::string> nearby;  // its words, or empty

    bool given() const { return !with.empty() || !scan.empty() || nearby; }
};
// --with, --scan and --nearby.
void add_source_options(CLI::App& command, OfferSource& source);

class MeetingView {
  public:
    // Commands for the other side: with the text of the offer, and without.
    MeetingView(Context& context, std::string by_text, std::string by_itself)
        : context_(context), by_text_(std::move(by_text)), by_itself_(std::move(by_itself)) {}
    MeetingView(const MeetingView&) = delete;
    MeetingView& operator=(const MeetingView&) = delete;

    // Refers to this view.
    Listener listener();
    // The end; the exit code. `more` stands beside the error in JSON.
    int failed(const Error& error, Json more = Json::object());
    int done(const Json& result);
    int conclude(const Result<std::optional<Json>>& result);

  private:
    void show(const control::Event& event);
    void show_offer(const Json& offer);
    void ask_code(const Json& question);
    void show_end(const Json& met);

    Context& context_;
    std::string by_text_, by_itself_;
};

// Runs `meet.join` with the offer from `source`, or `meet.open`. Fault::invalid: more than one source.
Result<std::optional<Json>> run_meeting(Context& context, MeetingView& view, const OfferSource& source,
                                        Json args);

}  // namespace kith::cli

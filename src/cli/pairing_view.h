// What a person, or a program, sees of `device add` and `device join`: the offer, the code, how far it has
// come.
#pragma once

#include <string>

#include "cli/context.h"
#include "cli/conversation.h"
#include "cli/progress.h"

namespace kith::cli {

class PairingView {
  public:
    enum class Side { adding, joining };
    PairingView(Context& context, Side side) : context_(context), side_(side), progress_(context.out) {}
    PairingView(const PairingView&) = delete;
    PairingView& operator=(const PairingView&) = delete;

    // Refers to this view.
    Listener listener();

    // The end, one of three.
    void done(const Json& result);
    void failed(const Error& error);
    void left();  // Ctrl-C after the approval

  private:
    void event(const control::Event& event);
    void show_offer(const Json& offer);
    void show_bell(const Json& bell);
    void show_qr(const std::string& text);
    void show_whose(const Json& whose);
    void show_code(const std::string& code);
    void show_progress(const Json& progress);
    void ask_code(const Json& question);
    Interrupt interrupted();
    // A line for people, on a line of its own even when a question stands there.
    void say(const std::string& line);

    Context& context_;
    Side side_;
    Progress progress_;
    bool approved_ = false;
    bool asking_ = false;  // the cursor is behind a question
};

}  // namespace kith::cli

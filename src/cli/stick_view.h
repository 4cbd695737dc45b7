// What a person, or a program, sees of `device add --to` and `device join --from`: each command says which
// one comes next, and on which device.
#pragma once

#include <string>

#include "cli/context.h"
#include "cli/conversation.h"
#include "cli/progress.h"

namespace kith::cli {

class StickView {
  public:
    // `folder`: as it was given, for the commands that are shown.
    StickView(Context& context, std::string folder)
        : context_(context), folder_(std::move(folder)), progress_(context.out) {}
    StickView(const StickView&) = delete;
    StickView& operator=(const StickView&) = delete;

    // Refers to this view.
    Listener listener();
    // The ends of a command. Nothing for `result`: it was left by Ctrl-C.
    int conclude_add(const Result<std::optional<Json>>& result);
    int conclude_join(const Result<std::optional<Json>>& result);
    // The last event of one that failed, which the ends above print themselves.
    void failed(const Error& error);

  private:
    void event(const control::Event& event);
    void ask_fingerprint();
    void show_request(const Json& result);
    void show_payload(const Json& result);
    void show_import(const Json& result);
    int conclude(const Result<std::optional<Json>>& result, const char* event,
                 const std::function<void(const Json&)>& show);
    void say(const std::string& line);

    Context& context_;
    std::string folder_;
    Progress progress_;
    std::string name_;     // of the new device
    bool asking_ = false;  // the cursor is behind a question
};

}  // namespace kith::cli

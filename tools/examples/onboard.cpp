// Sets up a second device within one program: makes a person, takes in a mail, pairs the two devices, and
// shows that both end with the same history. Build it against an installed libkith.
#include <kith/kith.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <mutex>

namespace fs = std::filesystem;

namespace {

// The value of a text field in a flat JSON object: enough for this example.
std::string field(std::string_view json, const std::string& name) {
    auto at = json.find("\"" + name + "\":\"");
    if (at == std::string_view::npos) return {};
    at += name.size() + 4;
    return std::string(json.substr(at, json.find('"', at) - at));
}

std::string must(kith::Expected<std::string> result) {
    if (result) return *result;
    std::cerr << result.error().what << "\n" << result.error().hint << "\n";
    std::exit(1);
}

// Waits for something that callbacks bring.
class Waiting {
  public:
    void set(std::string value) {
        std::lock_guard hold(mutex_);
        value_ = std::move(value);
        changed_.notify_all();
    }
    std::string get() {
        std::unique_lock hold(mutex_);
        if (!changed_.wait_for(hold, std::chrono::seconds(60), [&] { return !value_.empty(); })) {
            std::cerr << "nothing came for a minute\n";
            std::exit(1);
        }
        return value_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::string value_;
};

}  // namespace

int main() {
    char pattern[] = "/tmp/kith-example-XXXXXX";
    fs::path folder = mkdtemp(pattern);
    std::ofstream(folder / "mail") << "From: ann@example.org\nDate: Thu, 22 Aug 2002 12:00:00 +0000\n"
                                      "Subject: hello\n\nA mail.\n";
    {
        auto old_device = kith::Engine::start((folder / "old").string());
        auto new_device = kith::Engine::start((folder / "new").string());
        if (!old_device || !new_device) return 1;
        must((*old_device)->call({"init", R"({"name":"laptop"})", {}, {}, {}}));
        must((*old_device)
                 ->call(
                     {"history.import", R"({"path":")" + (folder / "mail").string() + R"("})", {}, {}, {}}));

        Waiting offer, code, added, joined;
        kith::Call add{"device.add", "{}", {}, {}, {}};
        add.on_event = [&](std::string_view name, std::string_view fields) {
            if (name == "offer") offer.set(field(fields, "text"));
        };
        auto adding = (*old_device)->begin(add, [&](auto result) { added.set(must(std::move(result))); });

        kith::Call join{"device.join", R"({"name":"phone","text":")" + offer.get() + R"("})", {}, {}, {}};
        join.on_event = [&](std::string_view name, std::string_view fields) {
            if (name == "code") code.set(field(fields, "code"));
        };
        auto joining = (*new_device)->begin(join, [&](auto result) { joined.set(must(std::move(result))); });

        adding->answer("code", code.get());  // a person reads it on one device and types it on the other
        joined.get();
        added.get();
        auto a = field(must((*old_device)->call({"history.digest", "{}", {}, {}, {}})), "digest");
        auto b = field(must((*new_device)->call({"history.digest", "{}", {}, {}, {}})), "digest");
        std::cout << "old device " << a << "\nnew device " << b << "\n";
        if (a.empty() || a != b) return 1;
    }
    fs::remove_all(folder);
    return 0;
}

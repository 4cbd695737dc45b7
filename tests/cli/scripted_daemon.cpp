// A kithd for the tests of the command line: the real control server, with handlers that play a part. Which
// part is read from HOME/scenario at each request; each request is noted in HOME/seen, secrets included, as
// the tests check what arrives.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <functional>

#include "base/limits.h"
#include "control/base64.h"
#include "control/socket_server.h"
#include "control/time_text.h"
#include "net/file_lock.h"
#include "net/loop.h"

using namespace kith;
using namespace kith::control;

namespace {

constexpr const char* hostile = "evil\x1b[2Jname\xe2\x80\xae";

class ScriptedDaemon {
  public:
    explicit ScriptedDaemon(std::filesystem::path home) : home_(std::move(home)) {
        add("init", [](const RequestPtr& request) {
            if (request->args()["name"] == "taken")
                return request->fail(
                    {Fault::refused, "this device has a person already", "use another --home"});
            request->finish({{"device", "d1"}, {"person", "p1"}, {"recovery", "KITH RECOVERY ABCD-1234"}});
        });
        for (const char* plain : {"lock", "passphrase", "group.invite", "group.leave", "presence.show"})
            add(plain, [](const RequestPtr& request) { request->finish(); });
        add("unlock", [](const RequestPtr& request) {
            if (as_text(request->secret("passphrase").view()) == "right") return request->finish();
            request->fail({Fault::locked, "the passphrase is needed, or it was wrong", ""});
        });
        add("status", [this](const RequestPtr& request) {
            request->finish({{"device", "d1"},
                             {"name", "old"},
                             {"state", scenario() == "closed" ? "locked"
                                       : scenario() == "new"  ? "new"
                                                              : "open"},
                             {"services", Json::array({service()})},
                             {"peers", Json::array({Json{{"name", hostile}, {"state", "online"}}})}});
        });
        add("version", [](const RequestPtr& request) {
            request->finish({{"version", "9.9"}, {"protocol", 1}});
        });
        add("device.revoke", [](const RequestPtr& request) {
            request->finish({{"device", "d2"},
                             {"name", "phone"},
                             {"state", "barred"},
                             {"secrets", "renewed"},
                             {"effects", Json::array()}});
        });
        add("service.add", [](const RequestPtr& request) { request->finish(service()); });
        add("service.list", [](const RequestPtr& request) { request->finish(Json::array({service()})); });
        add("service.repin", [](const RequestPtr& request) {
            if (request->args().contains("pin"))
                return request->finish(
                    {{"address", "=h:1"}, {"pin", request->args()["pin"]}, {"state", "online"}});
            request->finish({{"address", "=h:1"}, {"pinned", "aa"}, {"offered", "bb"}});
        });
        add_history();
        add("device.add", [this](const RequestPtr& request) { add_device(request); });
        add("device.join", [this](const RequestPtr& request) { join(request); });
        add("device.cancel", [](const RequestPtr& request) {
            request->finish({{"state", "cancelled"}, {"remains", {"a node at =h:1"}}});
        });
        add("device.list", [](const RequestPtr& request) {
            request->finish(Json::array({Json{{"id", "d1"},
                                              {"name", "old"},
                                              {"state", "active"},
                                              {"added", "2002-08-22T11:26:25.000Z"},
                                              {"by", "recovery key"}}}));
        });
        add("invite.look", [](const RequestPtr& request) {
            Json service{{"address", "=h:1"}, {"site", "site"}, {"alias", "Alice Adams"},
                         {"uid", "u2"},       {"member", true}, {"as", hostile}};
            request->finish({{"card", "c1"}, {"note", hostile}, {"services", Json::array({service})}});
        });
        add("invite.accept", [](const RequestPtr& request) {
            Json service{{"address", "=h:1"}, {"site", "site"}, {"alias", "Alice Adams"}, {"state", "sent"}};
            request->finish({{"services", Json::array({service})}});
        });
        add("meet.join", [](const RequestPtr& request) {
            if (request->args().contains("nearby")) request->event("found", {{"name", "amber falcon"}});
            request->event("code", {{"code", "12345678"}});
            Json met{{"person", "p2"}, {"verified", Json::array()}, {"services", Json::array()}};
            if (request->args().value("accept", true))
                met["services"].push_back({{"address", "=h:1"}, {"alias", "Alice Adams"}, {"state", "sent"}});
            else
                met["invitation"] = "KITH-INVITE:AAAA";
            request->finish(std::move(met));
        });
        // Fails with the kind that the subject names: for the exit codes.
        add("message.send", [this](const RequestPtr& request) {
            std::string subject = request->args()["subject"];
            for (int i = 0; i <= static_cast<int>(Fault::forbidden); ++i)
                if (fault_name(static_cast<Fault>(i)) == subject)
                    return request->fail({static_cast<Fault>(i), "failed " + std::string(hostile), "a hint"});
            if (subject == "crash") _exit(1);
            if (subject == "question") return keep(request, "code");
            request->finish({{"id", "00ff"}, {"state", "sent"}});
        });
        add("stop", [this](const RequestPtr& request) {
            request->finish();
            server_->close([this] { loop_.stop(); });
        });
    }

    int run() {
        auto lock = net::FileLock::take((home_ / lock_name).string());
        if (!lock) return std::fprintf(stderr, "%s\n", lock.error().what.c_str()), 1;
        auto server = SocketServer::listen(loop_, dispatcher_, home_ / socket_name);
        if (!server) return std::fprintf(stderr, "%s\n", server.error().what.c_str()), 1;
        server_ = std::move(*server);
        loop_.run();
        kept_.reset();
        server_.reset();
        return 0;
    }

  private:
    static Json service() {
        return {{"address", "=h:1"}, {"site", "site"}, {"alias", hostile},
                {"uid", "u1"},       {"pin", "aa"},    {"state", "online"}};
    }

    void add(const char* method, std::function<void(const RequestPtr&)> handler) {
        dispatcher_.add(method, [this, handler](const RequestPtr& request) {
            Json secrets = Json::object();
            for (const auto& [name, value] : request->secrets().all())
                secrets[name] = std::string(as_text(value.view()));
            note({{"method", request->method()}, {"args", request->args()}, {"secrets", secrets}});
            handler(request);
        });
    }

    void note(const Json& what) { std::ofstream(home_ / "seen", std::ios::app) << what.dump() << std::endl; }

    std::string scenario() const {
        std::string word;
        std::ifstream(home_ / "scenario") >> word;
        return word;
    }

    void keep(const RequestPtr& request, const char* question) {
        kept_ = request;
        request->ask(question);
    }

    void add_history() {
        add("history.import", [](const RequestPtr& request) {
            request->event("progress", {{"done", 1}, {"total", 2}, {"bytes", 100}});
            request->event("skipped", {{"path", "/m/bad\x1b[0m"}, {"why", "not a mail"}});
            request->finish({{"imported", 1}, {"known", 0}, {"skipped", 1}});
        });
        for (const char* method : {"history.stats", "history.digest"})
            add(method, [](const RequestPtr& request) {
                request->finish({{"digest", "dd"}, {"records", 2500}, {"blobs", 1}, {"bytes", 1400000}});
            });
        // Records 2499 down to 0; their ids are their numbers.
        add("history.list", [](const RequestPtr& request) {
            int next = request->args().contains("before")
                           ? std::stoi(std::string(request->args()["before"])) - 1
                           : 2499;
            Json page = Json::array();
            for (int i = next; i >= 0 && page.size() < request->args()["limit"].get<std::size_t>(); --i)
                page.push_back({{"id", std::to_string(i)},
                                {"time", to_time_text(1030015585000 + i)},
                                {"service", "mail"},
                                {"from", hostile},
                                {"subject", "number " + std::to_string(i)}});
            request->finish(page);
        });
        add("history.search", [](const RequestPtr& request) {
            const bool complete = request->args()["words"] != "half";
            Json hits = Json::array();
            if (request->args()["words"] != "none")
                hits.push_back({{"id", "77"},
                                {"time", to_time_text(1030015585000)},
                                {"service", "mail"},
                                {"from", hostile},
                                {"subject", "found"}});
            request->finish(
                {{"hits", hits},
                 {"complete", complete},
                 {"reaches", complete ? Json("1970-01-01T00:00:00.000Z") : Json("2002-08-22T11:26:25.000Z")},
                 {"indexed", 5},
                 {"of", complete ? 5 : 12}});
        });
        add("history.show", [](const RequestPtr& request) {
            if (request->args()["id"] == "none") return request->fail({Fault::not_found, "no such item", ""});
            if (request->args().contains("raw")) {
                // The bytes 0, 1, 2 ... 255, 0 ...: 2.5 MB for the item, 300 bytes for an attachment.
                std::size_t size = request->args().contains("attachment") ? 300 : 2500000;
                std::size_t offset = request->args()["offset"];
                Bytes piece;
                for (std::size_t i = offset; i < std::min(size, offset + limits::control_piece); ++i)
                    piece.push_back(static_cast<std::uint8_t>(i));
                return request->finish({{"raw", to_base64(piece)}, {"raw_size", size}});
            }
            request->finish(
                {{"id", "1"},
                 {"time", "2002-08-22T11:26:25.000Z"},
                 {"service", "mail"},
                 {"from", hostile},
                 {"to", "me"},
                 {"subject", "hi"},
                 {"body", "line one\r\n\x1b]0;owned\x07line two\n"},
                 {"attachments",
                  {{{"name", "../../.ssh/authorized_keys"}, {"type", "text/plain"}, {"size", 300}},
                   {{"name", "authorized_keys"}, {"type", "text/plain"}, {"size", 300}}}},
                 {"raw_size", 2500000}});
        });
    }

    void add_device(const RequestPtr& request) {
        if (scenario() == "closed")
            return request->fail({Fault::locked, "this device is locked", "run 'kith unlock'"});
        if (scenario() == "locked" && as_text(request->secret("passphrase").view()) != "right")
            return request->fail({Fault::locked, "the passphrase is needed, or it was wrong", ""});
        kept_ = request;
        request->event(
            "offer", {{"text", "KITH:D1ABCDEFGH"}, {"expires", to_time_text(loop_.now().unix_ms + 300000)}});
        request->on_cancelled([this](Cancelled how) {
            note({{"cancelled", how == Cancelled::asked ? "asked" : "gone"}});
            kept_->fail({Fault::cancelled, "the offer is withdrawn", ""});
        });
        request->on_answer([this](std::string_view, std::string_view value) {
            note({{"answer", value}});
            if (value != "123456") {
                kept_->event("wrong_code", {{"left", 4}});
                return kept_->ask("code");
            }
            kept_->event("approved", {{"device", "d2"}, {"name", hostile}});
            transfer();
        });
        if (scenario() == "silent") return;
        request->ask("code");
    }

    void join(const RequestPtr& request) {
        kept_ = request;
        if (request->args().value("text", "") == "KITH:BAD")
            return request->fail({Fault::invalid, "this is not an offer of kith", "copy the whole text"});
        if (request->args().contains("show")) {
            request->event("bell", {{"text", "KITH-JOIN:ABCD"},
                                    {"expires", to_time_text(loop_.now().unix_ms + 300000)}});
            request->event("rung");
        }
        request->event("code", {{"code", "123456"}});
        request->event("approved");
        transfer();
    }

    void transfer() {
        for (int i : {0, 50, 100})
            kept_->event(
                "progress",
                {{"records", i}, {"records_total", 100}, {"bytes", i * 1000}, {"bytes_total", 100000}});
        if (scenario() == "endless") return;
        kept_->event("service", {{"address", "=h:1"}, {"state", "online"}});
        kept_->finish({{"digest", "dd"}, {"seconds", 1.5}});
    }

    std::filesystem::path home_;
    net::Loop loop_;
    Dispatcher dispatcher_;
    std::unique_ptr<SocketServer> server_;
    RequestPtr kept_;
};

}  // namespace

int main(int count, char** words) {
    if (count != 3 || std::string_view(words[1]) != "--home") return 2;
    return ScriptedDaemon(words[2]).run();
}

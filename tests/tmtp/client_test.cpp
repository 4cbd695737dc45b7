#include "tmtp/client.h"

#include <doctest/doctest.h>

#include "base/limits.h"

using namespace kith;
using namespace kith::tmtp;

namespace {

// A client and the time, and what its last event led to.
struct Rig {
    Client client = Client::login("UID", SecretBytes(as_bytes("NODE")));
    Now now{1000, 1'700'000'000'000};
    ClientActions last;

    void say(const Reply& reply, std::string_view data = {}) { say_raw(encode(reply) + std::string(data)); }
    void say_raw(std::string_view bytes) { last = client.received(as_bytes(bytes), now); }
    void wait(std::int64_t ms) {
        now.mono_ms += ms;
        last = client.tick(now);
    }
    void go_online() {
        last = client.connected(now);
        say(TmtpRevReply{"1", "site", 0, {}});
        say(InfoReply{"login ok", {}});
        REQUIRE(client.state() == Client::State::online);
    }
    template <class T>
    std::vector<const T*> all() const {
        std::vector<const T*> found;
        for (const auto& action : last)
            if (auto* one = std::get_if<T>(&action)) found.push_back(one);
        return found;
    }
    template <class T>
    const T& only() const {
        auto found = all<T>();
        REQUIRE(found.size() == 1);
        return *found[0];
    }
    std::string sent() const {
        std::string text;
        for (auto* one : all<SendBytes>()) text += as_text(one->bytes);
        return text;
    }
};

Queued message(std::string id, Kind kind = Kind::delivery, std::uint64_t datalen = 0) {
    Queued one;
    one.kind = kind;
    one.op = kind_name(kind);
    one.id = std::move(id);
    one.from = "FROM";
    one.posted = "2026-11-21T19:25:05.920Z";
    one.datalen = datalen;
    return one;
}
Queued node_news(std::string id, std::string label) {
    auto one = message(std::move(id), Kind::user);
    one.newnode = std::move(label);
    one.nodeid = SecretBytes(as_bytes("SECRETNODE"));
    return one;
}
Asking small_post() {
    Draft draft;
    draft.body = "hi";
    draft.recipients = {"OTHER"};
    return *compose(draft, "UID");
}

}  // namespace

TEST_CASE("a login goes through greeting, login and online") {
    Rig rig;
    rig.last = rig.client.connected(rig.now);
    CHECK(rig.sent() == R"(0011{"id":"1","op":0})");
    rig.say(TmtpRevReply{"1", "site\x1b[2J", 0, {}});
    CHECK(rig.only<SiteName>().name == "site?[2J");
    CHECK(rig.sent() == R"(0022{"node":"NODE","op":2,"uid":"UID"})");
    rig.say(InfoReply{"login ok", {"FRIEND"}});
    CHECK(rig.only<Online>().present == std::vector<std::string>{"FRIEND"});
}

TEST_CASE("a registration ends with an account, and later connections log in with it") {
    Rig rig;
    rig.client = Client::registering("Alice Adams", "label");
    rig.last = rig.client.connected(rig.now);
    rig.say(TmtpRevReply{"1", "site", 0, {}});
    CHECK(rig.sent() == R"(0033{"newalias":"Alice Adams","newnode":"label","op":1})");
    rig.say(RegisteredReply{"U1", SecretBytes(as_bytes("N1")), "newalias is taken"});
    CHECK(rig.only<Registered>().uid == "U1");
    CHECK(as_text(rig.only<Registered>().nodeid.view()) == "N1");
    CHECK(rig.only<Registered>().error == "newalias is taken");
    rig.say(InfoReply{"login ok", {}});
    CHECK(rig.client.state() == Client::State::online);
    rig.last = rig.client.connected(rig.now);
    rig.say(TmtpRevReply{"1", "site", 0, {}});
    CHECK(rig.sent() == R"(001f{"node":"N1","op":2,"uid":"U1"})");
}

TEST_CASE("a delivery is handed out with its exact bytes and acknowledged only when stored") {
    Rig rig;
    rig.go_online();
    auto head = encode(message("m1", Kind::delivery, 4));
    rig.say_raw(head + "da");
    CHECK(rig.last.empty());
    rig.say_raw("ta");
    const auto& got = rig.only<Delivered>();
    CHECK(as_text(got.raw) == head + "data");
    CHECK(as_text(got.head()) == head);
    CHECK(as_text(got.data()) == "data");
    CHECK(got.kind == Kind::delivery);
    CHECK(got.from == "FROM");
    CHECK(got.posted_ms == 1795289105920);
    CHECK(rig.sent().empty());
    rig.last = rig.client.acked("m1", rig.now);
    CHECK(rig.sent() == R"(001f{"id":"m1","op":10,"type":"ok"})");
    rig.last = rig.client.acked("m1", rig.now);
    CHECK(rig.last.empty());
    rig.last = rig.client.acked("never seen", rig.now);
    CHECK(rig.last.empty());
}

TEST_CASE("a message that comes again is handed out again until it is stored, then only acknowledged") {
    Rig rig;
    rig.go_online();
    rig.say(message("m1"));
    rig.say(message("m1"));
    CHECK(rig.all<Delivered>().size() == 1);
    rig.client.acked("m1", rig.now);
    rig.say(message("m1"));
    CHECK(rig.all<Delivered>().empty());
    CHECK(rig.sent() == R"(001f{"id":"m1","op":10,"type":"ok"})");
    SUBCASE("also after a reconnect") {
        rig.last = rig.client.disconnected(rig.now);
        rig.go_online();
        rig.say(message("m1"));
        CHECK(rig.all<Delivered>().empty());
        CHECK_FALSE(rig.sent().empty());
    }
    SUBCASE("but other bytes under the same id are handed out") {
        auto forged = message("m1");
        forged.from = "FORGER";
        rig.say(std::move(forged));
        CHECK(rig.only<Delivered>().from == "FORGER");
    }
}

TEST_CASE("what was stored while the link was down is acknowledged when it comes again") {
    Rig rig;
    rig.go_online();
    rig.say(message("m1"));
    rig.last = rig.client.disconnected(rig.now);
    rig.last = rig.client.acked("m1", rig.now);
    CHECK(rig.last.empty());
    rig.go_online();
    rig.say(message("m1"));
    CHECK(rig.all<Delivered>().empty());
    CHECK(rig.sent() == R"(001f{"id":"m1","op":10,"type":"ok"})");
}

TEST_CASE("data over the limit is handed out in pieces") {
    Rig rig;
    rig.go_online();
    std::uint64_t size = limits::tmtp_whole_bytes + 3;
    auto head = encode(message("big", Kind::delivery, size));
    rig.say_raw(head + "abc");
    CHECK(rig.only<DeliveryBegin>().datalen == size);
    CHECK(as_text(rig.only<DeliveryBegin>().message.raw) == head);
    CHECK(as_text(rig.only<DeliveryData>().bytes) == "abc");
    Bytes rest(limits::tmtp_whole_bytes);
    rig.last = rig.client.received(rest, rig.now);
    CHECK(rig.only<DeliveryData>().bytes.size() == rest.size());
    CHECK(rig.only<DeliveryEnd>().msgid == "big");
    rig.last = rig.client.acked("big", rig.now);
    CHECK_FALSE(rig.sent().empty());
    SUBCASE("and not again once it is stored") {
        rig.say_raw(head + "abc");
        CHECK(rig.last.empty());
        rig.last = rig.client.received(rest, rig.now);
        CHECK(rig.last.size() == 1);
        CHECK_FALSE(rig.sent().empty());
    }
    SUBCASE("a link lost in the middle starts it again") {
        rig.last = rig.client.disconnected(rig.now);
        rig.go_online();
        rig.say(message("m2"));
        CHECK(rig.only<Delivered>().msgid == "m2");
    }
}

TEST_CASE("each post gets exactly one answer") {
    Rig rig;
    rig.last = rig.client.ask("early", small_post(), rig.now);
    CHECK(rig.only<RequestResult>().outcome == RequestResult::Outcome::refused);
    rig.go_online();
    rig.last = rig.client.ask("p1", small_post(), rig.now);
    CHECK(rig.sent().find(R"("id":"k1")") != std::string::npos);
    rig.client.ask("p2", small_post(), rig.now);
    rig.client.ask("p3", small_post(), rig.now);
    rig.say(AckReply{"k2", "", "", "uid OTHER not found"});
    CHECK(rig.only<RequestResult>().local_id == "p2");
    CHECK(rig.only<RequestResult>().outcome == RequestResult::Outcome::refused);
    rig.say(AckReply{"k1", "m7", "2026-11-21T19:25:05.920Z", ""});
    CHECK(rig.only<RequestResult>().local_id == "p1");
    CHECK(rig.only<RequestResult>().outcome == RequestResult::Outcome::accepted);
    CHECK(rig.only<RequestResult>().msgid == "m7");
    rig.say(AckReply{"k1", "m7", "", ""});  // a duplicate
    CHECK(rig.last.empty());
    rig.last = rig.client.disconnected(rig.now);
    CHECK(rig.only<RequestResult>().local_id == "p3");
    CHECK(rig.only<RequestResult>().outcome == RequestResult::Outcome::unknown);
    rig.last = rig.client.disconnected(rig.now);
    CHECK(rig.last.empty());
}

TEST_CASE("requests without an answer are limited") {
    Rig rig;
    rig.go_online();
    for (std::size_t i = 0; i < limits::tmtp_requests; ++i) {
        rig.last = rig.client.ask("p" + std::to_string(i), small_post(), rig.now);
        CHECK(rig.all<RequestResult>().empty());
    }
    rig.last = rig.client.ask("one too many", small_post(), rig.now);
    CHECK(rig.only<RequestResult>().outcome == RequestResult::Outcome::refused);
}

TEST_CASE("a node is known by its label and never ends up as a message") {
    Rig rig;
    rig.go_online();
    rig.last = rig.client.add_node("label", false, rig.now);
    CHECK(rig.sent().find(R"("newnode":"label")") != std::string::npos);
    rig.last = rig.client.add_node("label", false, rig.now);
    CHECK(rig.last.empty());
    rig.say(AckReply{"k1", "", "", ""});
    CHECK(rig.last.empty());
    rig.say(node_news("m1", "label"));
    CHECK(rig.all<Delivered>().empty());
    CHECK(rig.only<NodeAdded>().label == "label");
    CHECK(as_text(rig.only<NodeAdded>().nodeid.view()) == "SECRETNODE");
    rig.last = rig.client.acked("m1", rig.now);
    CHECK_FALSE(rig.sent().empty());
}

TEST_CASE("a node that is not wanted any more is not asked for at the next login") {
    Rig rig;
    rig.client.add_node("one", false, rig.now);
    rig.client.add_node("two", false, rig.now);
    rig.client.forget_node("one");
    rig.go_online();
    CHECK(rig.sent().find(R"("newnode":"one")") == std::string::npos);
    CHECK(rig.sent().find(R"("newnode":"two")") != std::string::npos);
    rig.client.forget_node("two");  // too late: it is known by its label when it comes
    rig.say(node_news("m1", "two"));
    CHECK(rig.only<NodeAdded>().label == "two");
}

TEST_CASE("after a lost link a node is asked for again only when the queue is empty and did not hold it") {
    Rig rig;
    rig.go_online();
    rig.client.add_node("label", false, rig.now);
    rig.last = rig.client.disconnected(rig.now);
    CHECK(rig.all<RequestResult>().empty());
    rig.go_online();
    CHECK(rig.sent().empty());
    SUBCASE("it had worked") {
        rig.say(node_news("m1", "label"));
        CHECK(rig.only<NodeAdded>().label == "label");
        rig.client.acked("m1", rig.now);
        rig.wait(limits::tmtp_quiet_ms);
        CHECK(rig.all<CaughtUp>().size() == 1);
        CHECK(rig.sent().empty());
    }
    SUBCASE("it had not") {
        rig.say(message("m1"));
        rig.wait(limits::tmtp_quiet_ms);
        CHECK(rig.all<CaughtUp>().empty());  // m1 is not stored yet
        rig.client.acked("m1", rig.now);
        rig.wait(limits::tmtp_quiet_ms);
        CHECK(rig.all<CaughtUp>().size() == 1);
        CHECK(rig.sent().find(R"("newnode":"label")") != std::string::npos);
    }
}

TEST_CASE("a node that may have been asked for before a restart waits for the queue") {
    Rig rig;
    rig.client.add_node("label", true, rig.now);
    rig.go_online();
    CHECK(rig.sent().empty());
    rig.wait(limits::tmtp_quiet_ms);
    CHECK(rig.sent().find(R"("newnode":"label")") != std::string::npos);
    rig.say(AckReply{"k1", "", "", "an account has at most 100 nodes"});
    CHECK(rig.only<NodeRefused>().label == "label");
}

TEST_CASE("time: pulses, answers and logins") {
    Rig rig;
    rig.last = rig.client.connected(rig.now);
    CHECK(rig.client.next_tick_ms() == rig.now.mono_ms + limits::tmtp_login_ms);
    SUBCASE("a login without an answer fails, and may be tried again") {
        rig.wait(limits::tmtp_login_ms);
        CHECK_FALSE(rig.only<Failed>().permanent);
        CHECK(rig.client.state() == Client::State::failed);
        CHECK_FALSE(rig.client.next_tick_ms());
        rig.say(TmtpRevReply{"1", "late", 0, {}});
        CHECK(rig.last.empty());
    }
    SUBCASE("an idle link is kept up") {
        rig.go_online();
        rig.wait(limits::tmtp_quiet_ms);
        for (int i = 0; i < 5; ++i) {
            auto next = rig.client.next_tick_ms().value();
            CHECK(next - rig.now.mono_ms < 120'000 / 2);
            rig.wait(next - rig.now.mono_ms);
            CHECK(rig.sent() == R"(0009{"op":11})");
        }
    }
    SUBCASE("a post without an answer fails the link; large ones have more time") {
        rig.go_online();
        Asking post = small_post();
        post.data.resize(16'000'000);
        rig.client.ask("p", std::move(post), rig.now);
        rig.wait(limits::tmtp_answer_ms + 999'000);
        CHECK(rig.all<Failed>().empty());
        rig.wait(2000);
        CHECK(rig.only<RequestResult>().outcome == RequestResult::Outcome::unknown);
        CHECK_FALSE(rig.only<Failed>().permanent);
    }
}

TEST_CASE("what the service says on ending a link decides whether to try again") {
    struct Case {
        const char* reason;
        bool permanent;
    };
    for (auto [reason, permanent] : {Case{"login failed", true}, Case{"corrupt base32 value", true},
                                     Case{"authentication required", true},
                                     Case{"node already connected", false}, Case{"anything else", false}}) {
        Rig rig;
        rig.last = rig.client.connected(rig.now);
        rig.say(TmtpRevReply{"1", "site", 0, {}});
        rig.say(QuitReply{reason});
        CHECK(rig.only<Failed>().permanent == permanent);
        CHECK_FALSE(rig.only<Failed>().error.what.empty());
        rig.say(InfoReply{"login ok", {}});
        CHECK(rig.last.empty());
    }
}

TEST_CASE("what a service refuses is told in words for people, with its own behind them") {
    auto refusal = [](std::string said) {
        Rig rig;
        rig.go_online();
        rig.client.ask("p", small_post(), rig.now);
        rig.say(AckReply{"k1", "", "", said});
        auto error = rig.only<RequestResult>().error;
        CHECK(error.kind == Fault::refused);
        CHECK(error.what.ends_with(said + ")"));
        CHECK_FALSE(error.hint.empty());
        return error.what.substr(0, error.what.find(" ("));
    };
    CHECK(refusal("Lookup: iAlias Nobody At All not found") == "nobody has that name at this service");
    CHECK(refusal("OpenNodes: iUid NOBODY not found") == "there is no such account at this service");
    for (auto asked : {"GroupGetUsers", "GroupJoin", "GroupQuit"})
        CHECK(refusal(std::string(asked) + ": iGid No Such Group not found") ==
              "there is no such group at this service, or you are not in it");
    CHECK(refusal("GroupInvite: gid Our Group not available").starts_with("that name is taken"));
    CHECK(refusal("GroupJoin: iNewAlias Alice not for iUid U").starts_with("that name is not one of yours"));
    CHECK(refusal("Post: iUid U not met by iByUid V").find("only people who have met") != std::string::npos);

    Rig rig;
    rig.go_online();
    rig.client.ask("p", small_post(), rig.now);
    rig.say(AckReply{"k1", "", "", "something else"});
    CHECK(rig.only<RequestResult>().error.what == "the service refused: something else");
}

TEST_CASE("who is not registered learns whom to ask") {
    auto refusal = [](std::string id_token, std::string said) {
        Rig rig;
        rig.client = Client::registering("Alice Adams", "first", std::move(id_token));
        rig.last = rig.client.connected(rig.now);
        rig.say(TmtpRevReply{"1", "site", 0, {}});
        rig.say(QuitReply{said});
        CHECK(rig.only<Failed>().permanent);
        CHECK(rig.only<Failed>().error.what.find(said) != std::string::npos);
        return rig.only<Failed>().error;
    };
    for (auto& error : {refusal("", "registration closed"), refusal("token", "registration closed"),
                        refusal("token", "the id_token was used before")}) {
        CHECK(error.kind == Fault::refused);
        CHECK(error.hint.find("ask its operator for an account") != std::string::npos);
    }
    CHECK(refusal("token", "service stopping").kind == Fault::unavailable);
}

TEST_CASE("quit is answered, or ends by itself") {
    Rig rig;
    rig.go_online();
    rig.client.ask("p", small_post(), rig.now);
    rig.last = rig.client.quit(rig.now);
    CHECK(rig.sent() == R"(0009{"op":12})");
    rig.last = rig.client.quit(rig.now);
    CHECK(rig.last.empty());
    SUBCASE("answered") {
        rig.say(QuitReply{"logout ok"});
        CHECK(rig.all<LoggedOut>().size() == 1);
        CHECK(rig.all<RequestResult>().size() == 1);
    }
    SUBCASE("not answered") {
        rig.wait(limits::tmtp_quit_ms);
        CHECK(rig.all<LoggedOut>().size() == 1);
    }
}

TEST_CASE("a message in a state where it does not belong fails the link") {
    auto fails = [](Rig& rig) {
        CHECK(rig.all<Failed>().size() == 1);
        CHECK(rig.client.state() == Client::State::failed);
    };
    Rig rig;
    rig.last = rig.client.connected(rig.now);
    SUBCASE("a delivery before the greeting") {
        rig.say(message("m1")), fails(rig);
    }
    SUBCASE("registered when nothing was registered") {
        rig.say(RegisteredReply{"U", SecretBytes(as_bytes("N")), ""}), fails(rig);
    }
    SUBCASE("another version") {
        rig.say(TmtpRevReply{"2", "site", 0, {}}), fails(rig);
    }
    SUBCASE("a second greeting") {
        rig.say(TmtpRevReply{"1", "site", 0, {}});
        rig.say(TmtpRevReply{"1", "site", 0, {}}), fails(rig);
    }
    SUBCASE("not TMTP") {
        rig.say_raw("HTTP/1.1 400 Bad Request\r\n"), fails(rig);
    }
    SUBCASE("a header with a wrong type") {
        rig.say_raw(with_length(R"({"op":"info","info":7})")), fails(rig);
    }
    SUBCASE("a damaged header") {
        rig.go_online();
        auto head = encode(message("m1"));
        head.replace(head.find("FROM"), 4, "FRXM");
        rig.say_raw(head), fails(rig);
    }
    SUBCASE("messages that do not wait") {
        rig.go_online();
        for (std::size_t i = 0; i < limits::tmtp_unconfirmed; ++i) rig.say(message("m" + std::to_string(i)));
        CHECK(rig.all<Failed>().empty());
        rig.say(message("more")), fails(rig);
    }
    SUBCASE("an id that cannot be repeated") {
        rig.go_online();
        rig.say(message(std::string(limits::tmtp_id + 1, 'x'))), fails(rig);
    }
}

TEST_CASE("what this version does not know is passed over or acknowledged") {
    Rig rig;
    rig.go_online();
    rig.say_raw(with_length(R"({"op":"weather","datalen":3})") + "sun");
    CHECK(rig.all<PassedOver>().size() == rig.last.size());
    rig.say(OhiReply{"U", 1});
    CHECK(rig.only<Presence>().uid == "U");
    rig.say_raw(with_length(R"({"op":"parcel","id":"m1","posted":"2026-11-21T19:25:05.920Z","datalen":3})") +
                "sun");
    CHECK(rig.only<Delivered>().kind == Kind::other);
    CHECK(rig.only<Delivered>().op == "parcel");
}

TEST_CASE("every request gets its id and the size of its data") {
    Rig rig;
    rig.go_online();
    auto asks = [&](Asking asking) {
        rig.last = rig.client.ask("one", std::move(asking), rig.now);
        auto text = rig.sent();
        rig.say(AckReply{"k" + text.substr(text.find("\"id\":\"k") + 7, 1), "", "", ""});
        CHECK(rig.only<RequestResult>().outcome == RequestResult::Outcome::accepted);
        return text.substr(4);
    };
    CHECK(asks({Ping{{}, "Alice Adams", "Bobby Brown", 0}, to_bytes("hi")}) ==
          R"({"datalen":2,"from":"Alice Adams","id":"k1","op":9,"to":"Bobby Brown"}hi)");
    CHECK(asks({GroupInvite{{}, "the group", "Alice Adams", "Bobby Brown", 0}, {}}) ==
          R"({"from":"Alice Adams","gid":"the group","id":"k2","op":5,"to":"Bobby Brown"})");
    CHECK(asks({GroupEdit{{}, "join", "the group", {}, {}}, {}}) ==
          R"({"act":"join","gid":"the group","id":"k3","op":6})");
    CHECK(asks({OhiEdit{{}, "add", {{"U2", Recipient::none}}}, {}}) ==
          R"({"for":[{"id":"U2"}],"id":"k4","op":4,"type":"add"})");
    CHECK(asks({UserEdit{{}, {}, "Another Name"}, {}}) == R"({"id":"k5","newalias":"Another Name","op":3})");
    Draft draft;
    draft.body = "hi";
    draft.recipients = {"U2"};
    auto notify = compose_notify(draft, "UID", {"U3"}, "look");
    REQUIRE(notify);
    auto text = asks(std::move(*notify));
    CHECK(text.find(R"("notefor":[{"id":"U3","type":1}],"notelen":4,"op":8)") != std::string::npos);
    CHECK(text.ends_with(R"(lookhi)") == false);  // the inner head stands between note and body
    CHECK(text.find("}look{") != std::string::npos);
    for (bool with_data : {false, true}) {
        auto wrong =
            with_data ? Asking{GroupEdit{{}, "join", "g", {}, {}}, to_bytes("x")} : Asking{Pulse{}, {}};
        rig.last = rig.client.ask("wrong", std::move(wrong), rig.now);
        CHECK(rig.only<RequestResult>().outcome == RequestResult::Outcome::refused);
        CHECK(rig.sent().empty());
    }
}

TEST_CASE("presence is told as it comes, and what is not known is passed over") {
    Rig rig;
    rig.go_online();
    rig.say(OhiReply{"FRIEND", 1});
    CHECK(rig.only<Presence>().uid == "FRIEND");
    CHECK(rig.only<Presence>().here);
    rig.say(OhiReply{"FRIEND", 2});
    CHECK_FALSE(rig.only<Presence>().here);
    rig.say_raw(R"(0014{"op":"of tomorrow"})");
    CHECK(rig.all<PassedOver>().size() == 1);
    CHECK(rig.client.state() == Client::State::online);
}

TEST_CASE("a node that is connected elsewhere is an alarm once our own old connection cannot be it") {
    Rig rig;
    auto refused = [&] {
        rig.last = rig.client.connected(rig.now);
        rig.say(TmtpRevReply{"1", "site", 0, {}});
        rig.say(QuitReply{"node already connected"});
        CHECK_FALSE(rig.only<Failed>().permanent);
        auto alarms = rig.all<NodeHeld>().size();
        rig.client.disconnected(rig.now);
        return alarms;
    };
    SUBCASE("after a connection that was lost") {
        rig.go_online();
        rig.client.disconnected(rig.now);
        rig.now.mono_ms += limits::tmtp_lingers_ms - 1;
        CHECK(refused() == 0);
    }
    SUBCASE("after a start: nothing is known of the connection before") {
        CHECK(refused() == 0);
        rig.now.mono_ms += limits::tmtp_lingers_ms - 1;
        CHECK(refused() == 0);
    }
    rig.now.mono_ms += 1;
    CHECK(refused() == 1);
    rig.now.mono_ms += 10 * limits::tmtp_lingers_ms;
    CHECK(refused() == 0);  // said once
    rig.go_online();
    rig.client.disconnected(rig.now);
    CHECK(refused() == 0);
    rig.now.mono_ms += limits::tmtp_lingers_ms;
    CHECK(refused() == 1);
}

#include "tmtp/server.h"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "base/limits.h"
#include "memory_store.h"
#include "tmtp/limits.h"

using namespace kith;
using namespace kith::tmtp;

namespace {

// A hub and its links as a client sees them: each link's bytes as readable messages.
struct Rig {
    MemoryStore store;
    SeededRandom random;
    std::unique_ptr<Hub> hub;
    Now now{1000, 1'795'289'105'920};
    std::map<LinkId, FrameReader> readers;
    std::map<LinkId, std::vector<Reply>> in;
    std::map<LinkId, Bytes> data;   // of all messages together
    std::set<LinkId> closed, dead;  // dead: nobody is there, and the server has not been told
    std::set<LinkId> paused;
    std::vector<LoggedIn> logins;
    HubRules rules;
    bool read = true;  // clients read what they are sent
    LinkId next_link = 1;

    Rig() { restart(); }
    void restart() {
        hub = std::make_unique<Hub>("site", store, random, rules);
        REQUIRE(hub->start(now));
    }
    void take(HubActions actions) {
        std::set<LinkId> drained;
        for (auto& action : actions) {
            if (auto* close = std::get_if<Close>(&action)) {
                CHECK(closed.insert(close->link).second);
                continue;
            }
            if (auto* probe = std::get_if<Probe>(&action)) {
                if (!dead.contains(probe->link)) take(hub->alive(probe->link, now));
                continue;
            }
            if (auto* login = std::get_if<LoggedIn>(&action)) {
                logins.push_back(*login);
                continue;
            }
            if (auto* pause = std::get_if<Pause>(&action)) {
                CHECK(pause->paused != paused.contains(pause->link));
                if (!paused.erase(pause->link)) paused.insert(pause->link);
                continue;
            }
            auto& send = std::get<Send>(action);
            if (!read) continue;
            ByteView bytes = send.bytes;
            auto& reader = readers[send.link];
            for (bool more = false; !more;) switch (reader.next(bytes)) {
                    case FrameReader::Got::more:
                        more = true;
                        break;
                    case FrameReader::Got::head:
                        CHECK(headsum_agrees(reader.raw()));
                        in[send.link].push_back(*parse_reply(reader.head()));
                        break;
                    case FrameReader::Got::data:
                        append(data[send.link], reader.data());
                        break;
                    case FrameReader::Got::end:
                        break;
                    default:
                        FAIL("the server sent what is not TMTP");
                }
            drained.insert(send.link);
        }
        for (LinkId link : drained) take(hub->drained(link, now));
    }
    LinkId open() {
        LinkId link = next_link++;
        take(hub->opened(link, now));
        return link;
    }
    void raw(LinkId link, std::string_view bytes) { take(hub->received(link, as_bytes(bytes), now)); }
    void op(LinkId link, const Op& op, std::string_view bytes = {}) {
        raw(link, *encode(op) + std::string(bytes));
    }
    void wait(std::int64_t ms) {
        now.mono_ms += ms;
        now.unix_ms += ms;
        take(hub->tick(now));
    }
    void cut(LinkId link) { take(hub->closed(link, now)); }

    std::size_t count(LinkId link) { return in[link].size(); }
    template <class T>
    T pop(LinkId link) {
        auto& list = in[link];
        REQUIRE_FALSE(list.empty());
        REQUIRE(std::holds_alternative<T>(list.front()));
        T one = std::get<T>(std::move(list.front()));
        list.erase(list.begin());
        return one;
    }
    std::string quit_reason(LinkId link) {
        while (count(link) && !std::holds_alternative<QuitReply>(in[link].front()))
            in[link].erase(in[link].begin());
        CHECK(closed.contains(link));
        return count(link) ? pop<QuitReply>(link).error : "";
    }
    LinkId greet() {
        LinkId link = open();
        op(link, TmtpRev{});
        CHECK(pop<TmtpRevReply>(link).name == "site");
        return link;
    }
    struct Account {
        LinkId link;
        std::string uid, nodeid;
    };
    Account enrol(const std::string& alias = "_") {
        LinkId link = greet();
        op(link, Register{"first", alias, ""});
        auto reply = pop<RegisteredReply>(link);
        CHECK(reply.error.empty());
        CHECK(pop<InfoReply>(link).info == "login ok");
        return {link, reply.uid, std::string(as_text(reply.nodeid.view()))};
    }
    LinkId log_in(const Account& account) {
        LinkId link = greet();
        op(link, Login{account.uid, SecretBytes(as_bytes(account.nodeid))});
        if (count(link) && std::holds_alternative<InfoReply>(in[link].front())) pop<InfoReply>(link);
        return link;
    }
    void ack(LinkId link, const Queued& message) { op(link, Ack{message.id, "ok"}); }
    // Takes the next queued message and acknowledges it.
    Queued next(LinkId link, Kind kind) {
        auto one = pop<Queued>(link);
        CHECK(one.kind == kind);
        ack(link, one);
        return one;
    }
    Account add_node(const Account& account, const std::string& label) {
        op(account.link, UserEdit{"n", label, ""});
        CHECK(pop<AckReply>(account.link).error.empty());
        auto news = next(account.link, Kind::user);
        CHECK(news.newnode == label);
        return {0, account.uid, std::string(as_text(news.nodeid.view()))};
    }
    AckReply post(LinkId link, std::vector<std::string> to, std::string_view body,
                  const std::string& id = "p") {
        Post head{id, {}, body.size(), 0, {}};
        for (auto& uid : to) head.recipients.push_back({uid, Recipient::uid});
        op(link, head, body);
        return pop<AckReply>(link);
    }
};

Post to_uid(const std::string& uid, std::uint64_t datalen) {
    return {"p", {{uid, Recipient::uid}}, datalen, 0, {}};
}

}  // namespace

TEST_CASE("what the reference server answers to odd headers, ours answers too") {
    std::ifstream file(KITH_VECTORS "/tmtp/client-heads.jsonl");
    std::size_t count = 0;
    for (std::string line; std::getline(file, line); ++count) {
        auto vector = Head::parse(line);
        REQUIRE(vector);
        CAPTURE(*vector->text("case"));
        std::string bytes;  // the text's characters are bytes
        for (auto text = *vector->text("sent");
             char32_t c : std::vector<unsigned char>(text.begin(), text.end())) {
            if (c < 0x80)
                bytes += static_cast<char>(c);
            else if (c < 0xc0)
                bytes.back() = static_cast<char>((bytes.back() << 6) | (c & 0x3f));
            else
                bytes += static_cast<char>(c & 3);
        }
        Rig rig;
        auto account = rig.enrol();
        rig.raw(account.link, bytes);
        auto expected = vector->text("kith").value_or(*vector->text("answer"));
        if (expected == "goes on") {
            CHECK(rig.closed.empty());
            CHECK(rig.post(account.link, {}, "x").error.empty());
        } else {
            CHECK(rig.quit_reason(account.link) == expected);
        }
    }
    CHECK(count == 37);
}

TEST_CASE("before the greeting a link that errs is closed without a word") {
    for (auto bytes :
         {R"(0008{"op":1})", R"(0009{"op":11})", R"(0010{"op":0,"id":""})", "xxxx", "0007{\"a\":1}"}) {
        Rig rig;
        auto link = rig.open();
        rig.raw(link, bytes);
        CHECK(rig.closed.contains(link));
        CHECK(rig.count(link) == 0);
    }
}

TEST_CASE("each op has the states it belongs to") {
    Rig rig;
    auto account = rig.enrol();
    SUBCASE("a second greeting") {
        rig.op(account.link, TmtpRev{});
        CHECK(rig.quit_reason(account.link) == "disallowed op repetition");
    }
    SUBCASE("a login on a link that has one") {
        rig.op(account.link, Login{account.uid, SecretBytes(as_bytes(account.nodeid))});
        CHECK(rig.quit_reason(account.link) == "disallowed op on connected link");
    }
    SUBCASE("anything else before the login") {
        auto refused = [&](const Op& op) {
            auto link = rig.greet();
            rig.op(link, op);
            CHECK(rig.quit_reason(link) == "disallowed op on unauthenticated link");
        };
        refused(Pulse{});
        refused(Quit{});
        refused(to_uid("U", 3));
        refused(Ack{"m", "ok"});
    }
    SUBCASE("quit") {
        rig.op(account.link, Quit{});
        CHECK(rig.quit_reason(account.link) == "logout ok");
        auto again = rig.log_in(account);  // at once, while the old link is still closing
        CHECK_FALSE(rig.closed.contains(again));
    }
}

TEST_CASE("a login needs the right uid and node, and a node is connected once") {
    Rig rig;
    auto account = rig.enrol(), other = rig.enrol();
    auto attempt = [&](std::string uid, std::string node) {
        auto link = rig.greet();
        rig.op(link, Login{std::move(uid), SecretBytes(as_bytes(node))});
        return rig.quit_reason(link);
    };
    CHECK(attempt("NOBODY", account.nodeid) == "login failed");
    CHECK(attempt(account.uid, other.nodeid) == "login failed");
    CHECK(attempt(account.uid, "abc!!") == "corrupt base32 value");
    CHECK(attempt(account.uid, account.nodeid) == "node already connected");
    rig.cut(account.link);
    auto link = rig.log_in(account);
    CHECK(rig.next(link, Kind::login).node == "tbd");
}

TEST_CASE("a node whose link is dead takes its place; one whose link is alive keeps it") {
    Rig rig;
    auto account = rig.enrol();
    CHECK(rig.logins.back().how == LoggedIn::How::registered);
    auto sender = rig.enrol();
    rig.dead.insert(account.link);
    auto second = rig.greet();
    const auto login = *encode(Login{account.uid, SecretBytes(as_bytes(account.nodeid))});
    SUBCASE("the link is found dead by the system") {
        rig.raw(second, login);
        CHECK(rig.count(second) == 0);
        rig.cut(account.link);
    }
    SUBCASE("nobody answers") {
        rig.raw(second, login);
        rig.wait(limits::tmtpd_probe_ms - 1);
        CHECK(rig.count(second) == 0);
        rig.wait(1);
        CHECK(rig.closed.contains(account.link));
    }
    SUBCASE("what came behind the login is not lost") {
        Post post = to_uid(account.uid, 5);
        rig.raw(second, login + *encode(post) + "he");
        rig.raw(second, "llo" + *encode(Pulse{}));
        CHECK(rig.count(second) == 0);
        rig.wait(limits::tmtpd_probe_ms);
        CHECK(rig.pop<InfoReply>(second).info == "login ok");
        rig.pop<Queued>(second);
        CHECK(rig.pop<AckReply>(second).error.empty());
        return;
    }
    SUBCASE("the newest of several") {
        auto older = rig.greet();
        rig.raw(older, login);
        rig.raw(second, login);
        CHECK(rig.quit_reason(older) == "node already connected");
        rig.wait(limits::tmtpd_probe_ms);
    }
    SUBCASE("somebody is there") {
        SUBCASE("and the system says so") {
            rig.dead.clear();
            rig.raw(second, login);
        }
        SUBCASE("and sends something") {
            rig.raw(second, login);
            rig.op(account.link, Pulse{});
        }
        CHECK(rig.quit_reason(second) == "node already connected");
        CHECK_FALSE(rig.closed.contains(account.link));
        rig.wait(limits::tmtpd_probe_ms);
        CHECK(rig.post(account.link, {}, "x").error.empty());
        return;
    }
    SUBCASE("who waits may give up") {
        rig.raw(second, login);
        rig.cut(second);
        rig.wait(limits::tmtpd_probe_ms);
        CHECK_FALSE(rig.closed.contains(account.link));
        return;
    }
    SUBCASE("who waits and goes on talking holds little") {
        rig.raw(second, login);
        rig.raw(second, std::string(limits::tmtpd_early_bytes + 1, 'x'));
        CHECK(rig.closed.contains(second));
        return;
    }
    CHECK(rig.pop<InfoReply>(second).info == "login ok");
    CHECK(rig.logins.back().how == LoggedIn::How::takeover);
    rig.next(second, Kind::login);
    REQUIRE(rig.post(sender.link, {account.uid}, "to the new link").error.empty());
    rig.next(second, Kind::delivery);
}

TEST_CASE("a node that the operator drops is told, and does not come back") {
    Rig rig;
    auto account = rig.enrol();
    auto node = rig.logins.back().node;
    CHECK(rig.hub->online(node));
    rig.store.all_nodes.erase(node);
    rig.take(rig.hub->node_dropped(node, rig.now));
    CHECK(rig.quit_reason(account.link) == "node dropped");
    CHECK_FALSE(rig.hub->online(node));
    CHECK(rig.quit_reason(rig.log_in(account)) == "login failed");
}

TEST_CASE("a service that stops tells every link, those that wait for another one included") {
    Rig rig;
    auto account = rig.enrol();
    rig.dead.insert(account.link);
    auto greeted = rig.greet(), waiting = rig.greet(), silent = rig.open();
    rig.op(waiting, Login{account.uid, SecretBytes(as_bytes(account.nodeid))});
    rig.take(rig.hub->stop(rig.now));
    for (LinkId link : {account.link, greeted, waiting}) CHECK(rig.quit_reason(link) == "service stopping");
    CHECK(rig.closed.contains(silent));
    CHECK(rig.count(silent) == 0);
}

TEST_CASE("acknowledgements that nobody asked for hold nothing up") {
    Rig rig;
    auto alice = rig.enrol(), bob = rig.enrol();
    std::vector<std::string> ids;
    for (int i = 0; i < 3; ++i) ids.push_back(rig.post(alice.link, {bob.uid}, "x").msgid);
    for (const char* stray : {"0000000000000000", "no id at all", "ffffffffffffffff"})
        rig.op(bob.link, Ack{stray, "ok"});
    rig.op(bob.link, Ack{ids[2], "ok"});  // queued, and not sent yet
    for (const auto& id : ids) {
        CHECK(rig.pop<Queued>(bob.link).id == id);
        rig.op(bob.link, Ack{"1111111111111111", "ok"});
        rig.op(bob.link, Ack{id, "ok"});
        rig.op(bob.link, Ack{id, "ok"});
    }
    CHECK(rig.count(bob.link) == 0);
    CHECK(rig.closed.empty());

    // A large one is sent a second time when its acknowledgement arrives: the next one follows at once.
    const std::string large(3 * limits::tmtp_piece, 'y');
    const auto first = rig.post(alice.link, {bob.uid}, large).msgid;
    const auto second = rig.post(alice.link, {bob.uid}, "after it").msgid;
    CHECK(rig.pop<Queued>(bob.link).id == first);
    rig.read = false;
    rig.now.mono_ms += limits::tmtpd_resend_ms;
    auto again = rig.hub->tick(rig.now);
    rig.op(bob.link, Ack{first, "ok"});
    rig.read = true;
    rig.take(std::move(again));
    CHECK(rig.pop<Queued>(bob.link).id == first);
    CHECK(rig.pop<Queued>(bob.link).id == second);
}

TEST_CASE("where the operator says so, only who has met can post to each other") {
    Rig rig;
    rig.rules.must_have_met = true;
    rig.restart();
    auto alice = rig.enrol("Alice Adams"), bob = rig.enrol("Bobby Brown");
    auto carol = rig.enrol("Carol Clark");
    const auto refusal = [](const auto& by, const auto& to) {
        return "Post: iUid " + to.uid + " not met by iByUid " + by.uid;
    };
    CHECK(rig.post(alice.link, {alice.uid}, "to herself").error.empty());
    rig.next(alice.link, Kind::delivery);
    CHECK(rig.post(alice.link, {bob.uid}, "x").error == refusal(alice, bob));
    PostNotify both{to_uid(alice.uid, 2), false, {{bob.uid, Recipient::uid}}, 1, 0, {}};
    rig.op(alice.link, both, "nx");
    CHECK(rig.pop<AckReply>(alice.link).error == refusal(alice, bob));

    rig.op(alice.link, Ping{"i", "Alice Adams", "Bobby Brown", 2}, "hi");
    CHECK(rig.pop<AckReply>(alice.link).error.empty());
    rig.next(bob.link, Kind::ping);
    CHECK(rig.post(bob.link, {alice.uid}, "either way").error.empty());
    rig.next(alice.link, Kind::delivery);
    CHECK(rig.post(alice.link, {bob.uid}, "either way").error.empty());
    rig.next(bob.link, Kind::delivery);

    rig.op(bob.link, GroupInvite{"i", "Our Own Group", "Bobby Brown", "Carol Clark", 0});
    CHECK(rig.pop<AckReply>(bob.link).error.empty());
    rig.next(carol.link, Kind::invite);
    rig.next(bob.link, Kind::member);
    CHECK(rig.post(carol.link, {bob.uid}, "x").error.empty());
    rig.next(bob.link, Kind::delivery);
    CHECK(rig.post(carol.link, {alice.uid}, "x").error == refusal(carol, alice));

    rig.op(bob.link, GroupInvite{"i", "Our Own Group", "Bobby Brown", "Alice Adams", 0});
    for (const auto* one : {&carol, &alice})
        rig.op(one->link, GroupEdit{"i", "join", "Our Own Group", "", ""});
    rig.in.clear();
    CHECK(rig.post(carol.link, {alice.uid}, "x").error.empty());  // both are members now
}

TEST_CASE("accounts, aliases, groups in a request, and whom one pings have their limits") {
    Rig rig;
    rig.rules.accounts = 2;
    rig.restart();
    auto alice = rig.enrol("Alice Adams"), bob = rig.enrol("Bobby Brown");
    SUBCASE("accounts") {
        auto link = rig.greet();
        rig.op(link, Register{"first", "_", ""});
        CHECK(rig.quit_reason(link) == "registration closed");
    }
    SUBCASE("aliases") {
        for (std::size_t i = 1; i < limits::tmtpd_aliases; ++i)
            rig.store.aliases["alias " + std::to_string(i)] = alice.uid;
        rig.op(alice.link, UserEdit{"n", "", "one more alias"});
        CHECK(rig.pop<AckReply>(alice.link).error == "AddAlias: exceeds 100 aliases");
        rig.op(alice.link, UserEdit{"n", "", "Alice Adams"});  // has it
        CHECK(rig.pop<AckReply>(alice.link).error.empty());
    }
    SUBCASE("groups") {
        Post post = to_uid(alice.uid, 1);
        for (std::size_t i = 0; i <= limits::tmtpd_request_groups; ++i) {
            const auto gid = "group number " + std::to_string(i);
            rig.store.groups[gid] = {{alice.uid, "Alice Adams", Member::joined}};
            post.recipients.push_back({gid, Recipient::group});
        }
        rig.op(alice.link, post, "x");
        CHECK(rig.pop<AckReply>(alice.link).error == "GroupGetUsers: exceeds 20 groups");
        post.recipients.assign(500, {"group number 1", Recipient::group});  // looked up once
        rig.op(alice.link, post, "x");
        CHECK(rig.pop<AckReply>(alice.link).error.empty());
    }
    SUBCASE("nodes of one message") {
        for (std::size_t i = 0; i + 1 < limits::tmtpd_audience; ++i)
            rig.store.all_nodes[static_cast<NodeRef>(1000 + i)] = {bob.uid, "x", "y", {}};
        CHECK(rig.post(alice.link, {bob.uid}, "x").error.empty());
        rig.wait(1000);
        rig.store.all_nodes[500'000] = {bob.uid, "x", "y", {}};
        CHECK(rig.post(alice.link, {bob.uid}, "x").error == "OpenNodes: exceeds 10000 nodes");
    }
    SUBCASE("contacts") {
        for (std::size_t i = 0; i < limits::tmtpd_met; ++i)
            rig.store.known[alice.uid].insert(std::to_string(i));
        rig.op(alice.link, Ping{"i", "Alice Adams", "Bobby Brown", 2}, "hi");
        CHECK(rig.pop<AckReply>(alice.link).error == "Ping: exceeds 10000 contacts");
        CHECK(rig.count(bob.link) == 0);
        rig.store.known[alice.uid].insert(bob.uid);
        rig.op(alice.link, Ping{"i", "Alice Adams", "Bobby Brown", 2}, "hi");
        CHECK(rig.pop<AckReply>(alice.link).error.empty());
    }
}

TEST_CASE("an upload that trickles is ended, and what waits for all links together is bounded") {
    Rig rig;
    auto alice = rig.enrol();
    SUBCASE("an upload") {
        rig.op(alice.link, to_uid(alice.uid, 1'000'000));
        const auto seconds = (limits::tmtpd_upload_ms +
                              1'000'000'000 / static_cast<std::int64_t>(limits::tmtpd_upload_bytes_s)) /
                             1000;
        for (std::int64_t i = 0; i < seconds; ++i) {
            rig.raw(alice.link, "x");
            rig.wait(1000);
            CHECK(rig.closed.empty());
        }
        rig.wait(1000);
        CHECK(rig.closed.contains(alice.link));
        CHECK(rig.store.pieces.empty());
    }
    SUBCASE("output") {
        std::vector<Rig::Account> others;
        const auto link_bytes = limits::tmtpd_output_total / (limits::tmtpd_output_bytes / 2) + 2;
        for (std::size_t i = 0; i < link_bytes; ++i) others.push_back(rig.enrol());
        rig.read = false;
        // An answer repeats the id, each character of this one escaped to six: fewer questions for as many
        // bytes.
        const auto question = *encode(UserEdit{std::string(limits::tmtpd_request_id, '<'), "", "x"});
        for (const auto& one : others)
            for (std::size_t asked = 0; asked < limits::tmtpd_output_bytes / 2;
                 asked += 6 * limits::tmtpd_request_id)
                rig.raw(one.link, question);
        CHECK_FALSE(rig.closed.empty());
        CHECK(rig.closed.size() < others.size() / 4);
        // Room is made by those who have the most waiting, not by who asks next.
        CHECK_FALSE(rig.closed.contains(alice.link));
        const auto ended = rig.closed.size();
        rig.read = true;
        auto newcomer = rig.enrol();
        CHECK_FALSE(rig.closed.contains(newcomer.link));
        CHECK(rig.closed.size() <= ended + 1);
        for (LinkId link : rig.closed) rig.cut(link);
        CHECK(rig.post(alice.link, {}, "x").error.empty());
    }
}

TEST_CASE("a link that fills many places in queues is not read for a while") {
    Rig rig;
    auto alice = rig.enrol(), bob = rig.enrol();
    for (std::size_t i = 1; i < limits::tmtpd_places_s / 4; ++i)
        rig.store.all_nodes[static_cast<NodeRef>(1000 + i)] = {bob.uid, "x", "y", {}};
    const auto post = *encode(to_uid(bob.uid, 1)) + "x";
    std::string posts;
    for (int i = 0; i < 10; ++i) posts += post;
    auto answers = [&] {
        std::size_t count = rig.count(alice.link);
        rig.in.erase(alice.link);
        return count;
    };
    SUBCASE("spread over time, nothing is held up") {
        for (int i = 0; i < 10; ++i) {
            rig.raw(alice.link, post);
            rig.wait(500);
            CHECK(rig.paused.empty());
        }
        CHECK(answers() == 10);
    }
    SUBCASE("what came behind waits, and is handled at the same rate") {
        rig.raw(alice.link, posts);
        CHECK(rig.paused == std::set<LinkId>{alice.link});
        CHECK(answers() == 4);
        rig.raw(alice.link, post.substr(0, 20));  // had been read already
        CHECK(rig.hub->next_tick_ms() <= rig.now.mono_ms + 1000);
        rig.wait(999);
        CHECK(answers() == 0);
        CHECK(*rig.hub->next_tick_ms() == rig.now.mono_ms + 1);
        rig.in.erase(bob.link);
        CHECK(rig.post(bob.link, {alice.uid}, "x").error.empty());  // nobody else waits
        rig.wait(1);
        rig.in[alice.link].erase(rig.in[alice.link].begin());  // bob's post
        CHECK(answers() == 4);
        CHECK(rig.paused.contains(alice.link));
        rig.wait(1000);
        CHECK(answers() == 2);
        CHECK(rig.paused.empty());
        rig.raw(alice.link, post.substr(20));
        CHECK(answers() == 1);
    }
    SUBCASE("what came behind is bounded") {
        rig.raw(alice.link, posts + std::string(limits::tmtpd_backlog_bytes, ' '));
        CHECK(rig.closed.contains(alice.link));
    }
    SUBCASE("a paused link that breaks leaves nothing to do") {
        rig.raw(alice.link, posts);
        rig.cut(alice.link);
        rig.wait(1000);
        CHECK(rig.count(bob.link) > 0);
        CHECK(rig.hub->links() == 1);
    }
    SUBCASE("a paused link is told when the service stops") {
        rig.raw(alice.link, posts);
        rig.take(rig.hub->stop(rig.now));
        CHECK(rig.quit_reason(alice.link) == "service stopping");
        CHECK(rig.closed.contains(bob.link));
    }
    SUBCASE("a paused link is not idle") {
        rig.wait(limits::tmtpd_idle_ms - 500);
        rig.raw(bob.link, *encode(Pulse{}));
        rig.raw(alice.link, posts);
        rig.wait(limits::tmtpd_idle_ms);  // a tick that comes late
        CHECK_FALSE(rig.closed.contains(alice.link));
        CHECK(rig.closed.contains(bob.link));
    }
}

TEST_CASE("ids and codes have the protocol's shape") {
    Rig rig;
    auto account = rig.enrol();
    CHECK(account.uid.size() == 32);
    CHECK(account.nodeid.size() == 40);
    CHECK(account.uid.find_first_not_of(code_alphabet) == std::string::npos);
    std::string before;
    for (int i = 0; i < 20; ++i) {
        auto ack = rig.post(account.link, {}, "x");
        CHECK(ack.msgid.size() == 16);
        CHECK(ack.msgid > before);
        before = ack.msgid;
        CHECK(parse_posted(ack.posted) == rig.now.unix_ms);
    }
    rig.wait(1);
    rig.restart();
    account.link = rig.log_in(account);
    rig.next(account.link, Kind::login);
    CHECK(rig.post(account.link, {}, "x").msgid > before);
}

TEST_CASE("an alias is eight printable bytes or more and belongs to one account") {
    Rig rig;
    auto alice = rig.enrol("Alice Adams");
    auto attempt = [&](const std::string& alias) {
        auto link = rig.greet();
        rig.op(link, Register{"x", alias, ""});
        auto reply = rig.pop<RegisteredReply>(link);
        CHECK(reply.uid.size() == 32);  // the account exists all the same
        CHECK(rig.pop<InfoReply>(link).info == "login ok");
        return reply.error;
    };
    CHECK(attempt("short") == "newalias must be 8+ characters");
    CHECK_FALSE(attempt("Alice Adams").empty());
    CHECK_FALSE(attempt("abc\adefghij").empty());
    for (auto bad : {"Alice\u009b31mAdams", "Alice \u202eAdams", "Alice \u200fAdams", "Alice \u061cAdams"})
        CHECK_FALSE(attempt(bad).empty());
    CHECK(attempt("مرحبا بكم").empty());
    CHECK(attempt("alice adams").empty());
    CHECK(attempt("×××27").empty());  // eight bytes

    rig.op(alice.link, UserEdit{"e", "", "Alice Again"});
    CHECK(rig.pop<AckReply>(alice.link).error.empty());
    CHECK(rig.next(alice.link, Kind::user).newalias == "Alice Again");
    rig.op(alice.link, UserEdit{"e", "", "alice adams"});
    CHECK_FALSE(rig.pop<AckReply>(alice.link).error.empty());
    rig.op(alice.link, UserEdit{"e", "", "Alice Again"});  // hers already
    CHECK(rig.pop<AckReply>(alice.link).error.empty());
}

TEST_CASE("a post reaches all nodes of its recipients and the sender's other nodes, byte for byte the same") {
    Rig rig;
    auto alice = rig.enrol(), bob = rig.enrol();
    auto alice2 = rig.add_node(alice, "two"), bob2 = rig.add_node(bob, "two");
    rig.op(alice.link, Post{"p", {{bob.uid, 1}, {bob.uid, 1}}, 5, 2, 7}, "{}abc");
    auto ack = rig.pop<AckReply>(alice.link);
    CHECK(rig.count(alice.link) == 0);  // not to itself
    auto got = rig.next(bob.link, Kind::delivery);
    CHECK(got.id == ack.msgid);
    CHECK(got.posted == ack.posted);
    CHECK(got.from == alice.uid);
    CHECK(got.datahead == 2);
    CHECK(got.datasum == 7);
    CHECK(as_text(rig.data[bob.link]) == "{}abc");
    CHECK(rig.count(bob.link) == 0);
    for (auto& node : {alice2, bob2}) {
        auto link = rig.log_in(node);
        CHECK(rig.next(link, Kind::user).newnode == "two");
        auto again = rig.next(link, Kind::delivery);
        CHECK(encode(again) == encode(got));
    }
    CHECK(rig.store.messages.size() ==
          1 + 1);  // the logins of the two second nodes, for those who did not ack

    for (auto* account : {&alice, &bob})
        while (rig.count(account->link)) rig.next(account->link, Kind::login);
    SUBCASE("to oneself: also to the posting node") {
        rig.op(alice.link, to_uid(alice.uid, 4), "mine");
        CHECK(rig.pop<AckReply>(alice.link).error.empty());
        CHECK(rig.next(alice.link, Kind::delivery).from == alice.uid);
    }
    SUBCASE("one recipient who is not there fails it for all") {
        CHECK(rig.post(alice.link, {bob.uid, "NOBODY"}, "x").error.find("NOBODY") != std::string::npos);
        CHECK(rig.count(bob.link) == 0);
        rig.op(alice.link, Post{"g", {{"Some Group", Recipient::group}}, 1, 0, {}}, "x");
        CHECK(rig.pop<AckReply>(alice.link).error.find("Some Group") != std::string::npos);
    }
    SUBCASE("the same request twice is two messages") {
        auto once = rig.post(alice.link, {bob.uid}, "x", "same");
        auto twice = rig.post(alice.link, {bob.uid}, "x", "same");
        CHECK(once.msgid < twice.msgid);
    }
}

TEST_CASE(
    "one message is in flight; it comes again after 30 s and after a restart until it is acknowledged") {
    Rig rig;
    auto alice = rig.enrol(), bob = rig.enrol();
    for (auto body : {"one", "two", "three"}) rig.post(alice.link, {bob.uid}, body);
    auto first = rig.pop<Queued>(bob.link);
    CHECK(rig.count(bob.link) == 0);
    rig.wait(limits::tmtpd_resend_ms - 1);
    CHECK(rig.count(bob.link) == 0);
    rig.wait(1);
    CHECK(encode(rig.pop<Queued>(bob.link)) == encode(first));
    rig.op(bob.link, Ack{"0000000000000000", "ok"});
    CHECK(rig.count(bob.link) == 0);

    rig.restart();
    bob.link = rig.log_in(bob);
    CHECK(encode(rig.pop<Queued>(bob.link)) == encode(first));
    rig.ack(bob.link, first);
    auto second = rig.pop<Queued>(bob.link);
    CHECK(second.id > first.id);
    rig.ack(bob.link, first);  // again: it is not the one in flight
    CHECK(rig.count(bob.link) == 0);
    rig.ack(bob.link, second);
    rig.next(bob.link, Kind::delivery);
    rig.next(bob.link, Kind::login);
    CHECK(rig.store.messages.empty());
    CHECK(rig.store.pieces.empty());
}

TEST_CASE("a new node starts with a copy of the asking node's queue, the message in flight included") {
    Rig rig;
    auto alice = rig.enrol(), bob = rig.enrol();
    rig.post(alice.link, {bob.uid}, "one");
    rig.post(alice.link, {bob.uid}, "two");
    auto in_flight = rig.pop<Queued>(bob.link);
    rig.op(bob.link, UserEdit{"n", "late", ""});
    CHECK(rig.pop<AckReply>(bob.link).error.empty());
    rig.ack(bob.link, in_flight);
    rig.next(bob.link, Kind::delivery);
    auto news = rig.next(bob.link, Kind::user);
    auto late = rig.log_in({0, bob.uid, std::string(as_text(news.nodeid.view()))});
    CHECK(encode(rig.next(late, Kind::delivery)) == encode(in_flight));
    rig.next(late, Kind::delivery);
    CHECK(rig.next(late, Kind::user).newnode == "late");
    rig.next(late, Kind::login);
    CHECK(as_text(rig.data[late]) == "onetwo");
}

TEST_CASE("a node that is made during an upload gets the message as well") {
    Rig rig;
    auto alice = rig.enrol(), bob = rig.enrol();
    rig.raw(alice.link, *encode(to_uid(bob.uid, 6)) + "abc");
    auto bob2 = rig.add_node(bob, "late");
    rig.raw(alice.link, "def");
    CHECK(rig.pop<AckReply>(alice.link).error.empty());
    auto late = rig.log_in(bob2);
    rig.next(late, Kind::user);
    rig.next(late, Kind::delivery);
    CHECK(as_text(rig.data[late]) == "abcdef");
}

TEST_CASE("an upload that breaks off leaves nothing; its id stays lower than a quick one's") {
    Rig rig;
    auto alice = rig.enrol(), bob = rig.enrol(), carol = rig.enrol();
    rig.raw(alice.link, *encode(to_uid(bob.uid, 10)) + "12345");
    auto quick = rig.post(carol.link, {bob.uid}, "quick");
    rig.next(bob.link, Kind::delivery);
    SUBCASE("it goes on") {
        rig.raw(alice.link, "67890");
        CHECK(rig.pop<AckReply>(alice.link).msgid < quick.msgid);
        rig.next(bob.link, Kind::delivery);
    }
    SUBCASE("the link is lost") {
        rig.cut(alice.link);
        CHECK(rig.count(bob.link) == 0);
    }
    CHECK(rig.store.pieces.empty());
    CHECK(rig.store.messages.empty());
}

TEST_CASE("large data moves in pieces and answers wait until it is sent") {
    Rig rig;
    auto alice = rig.enrol(), bob = rig.enrol();
    std::string body(5 * limits::tmtp_piece + 17, 'x');
    for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31);
    CHECK(rig.post(alice.link, {bob.uid}, body).error.empty());
    CHECK(as_text(rig.data[bob.link]) == body);
    auto message = rig.pop<Queued>(bob.link);
    CHECK(message.datalen == body.size());
    rig.ack(bob.link, message);
    CHECK(rig.store.pieces.empty());
}

TEST_CASE("a client that does not read is sent little and then dropped") {
    Rig rig;
    auto alice = rig.enrol(), bob = rig.enrol();
    std::string body(3 * limits::tmtp_piece, 'x');
    rig.read = false;
    std::size_t sent = 0;
    auto keep = [&](HubActions actions) {
        for (auto& action : actions) {
            if (auto* send = std::get_if<Send>(&action); send && send->link == bob.link)
                sent += send->bytes.size();
            if (auto* close = std::get_if<Close>(&action)) rig.closed.insert(close->link);
        }
    };
    SUBCASE("a delivery") {
        keep(rig.hub->received(alice.link, as_bytes(*encode(to_uid(bob.uid, body.size())) + body), rig.now));
        CHECK(sent < 2 * limits::tmtp_piece);
        rig.now.mono_ms += limits::tmtpd_stalled_ms - 1;
        keep(rig.hub->received(bob.link, as_bytes(*encode(Pulse{})), rig.now));
        keep(rig.hub->tick(rig.now));
        CHECK_FALSE(rig.closed.contains(bob.link));
        rig.now.mono_ms += 1;
        keep(rig.hub->tick(rig.now));
        CHECK(rig.closed.contains(bob.link));
    }
    SUBCASE("answers") {
        std::string asks;
        for (int i = 0; i < 1000; ++i) asks += *encode(GroupEdit{std::string(200, 'i'), "join", "g", "", ""});
        for (int i = 0; i < 20 && rig.closed.empty(); ++i)
            keep(rig.hub->received(bob.link, as_bytes(asks), rig.now));
        CHECK(rig.closed.contains(bob.link));
        CHECK(sent <= limits::tmtpd_output_bytes);
    }
}

TEST_CASE("a ping finds an alias, and its data is a short text") {
    Rig rig;
    auto alice = rig.enrol("Alice Adams"), bob = rig.enrol("Bobby Brown");
    auto ping = [&](std::string from, std::string to, std::string_view text) {
        rig.op(alice.link, Ping{"g", from, to, text.size()}, text);
        return rig.pop<AckReply>(alice.link);
    };
    auto ack = ping("Alice Adams", "Bobby Brown", "hello");
    CHECK(ack.error.empty());
    auto got = rig.next(bob.link, Kind::ping);
    CHECK(got.id == ack.msgid);
    CHECK(got.alias == "Alice Adams");
    CHECK(got.to == "Bobby Brown");
    CHECK(as_text(rig.data[bob.link]) == "hello");
    CHECK(ping("Alice Adams", "Bobby Brown", "").error.empty());
    CHECK(rig.next(bob.link, Kind::ping).datalen == 0);
    CHECK(ping("Bobby Brown", "Bobby Brown", "x").error == "from must identify sender");
    CHECK(ping("Alice Adams", "Nobody At All", "x").error.find("Nobody At All") != std::string::npos);
    std::string euros;
    for (int i = 0; i < 140; ++i) euros += "€";
    CHECK(ping("Alice Adams", "Bobby Brown", euros).error.empty());
    auto refused = [&](std::string_view text) {
        auto one = rig.enrol();
        rig.op(one.link, UserEdit{"a", "", "Alias " + one.uid});
        rig.op(one.link, Ping{"g", "Alias " + one.uid, "Bobby Brown", text.size()}, text);
        return rig.quit_reason(one.link);
    };
    CHECK(refused(euros + "x") == "data too long for request type");
    CHECK(refused(std::string(141, 'a')) == "data too long for request type");
    std::string emoji;
    for (int i = 0; i < 71; ++i) emoji += "😀";  // 142 units
    CHECK(refused(emoji) == "data too long for request type");
    for (auto bad : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "a\xe2\x82"})
        CHECK(refused(bad) == "data not valid UTF8");
}

TEST_CASE("an invitation has as few words as a ping") {
    Rig rig;
    auto alice = rig.enrol("Alice Adams"), bob = rig.enrol("Bobby Brown");
    GroupInvite invite{"i", "Our Own Group", "Alice Adams", "Bobby Brown", 140};
    rig.op(alice.link, invite, std::string(140, 'a'));
    CHECK(rig.pop<AckReply>(alice.link).error.empty());
    CHECK(rig.next(bob.link, Kind::invite).datalen == 140);
    SUBCASE("too many") {
        invite.datalen = 141;
        rig.op(alice.link, invite, std::string(141, 'a'));
        CHECK(rig.quit_reason(alice.link) == "data too long for request type");
    }
    SUBCASE("far too many, of which nothing is taken") {
        invite.datalen = 1'000'000;
        rig.op(alice.link, invite);
        CHECK(rig.quit_reason(alice.link) == "data too long for request type");
    }
    SUBCASE("no words") {
        invite.datalen = 2;
        rig.op(alice.link, invite, "\xff\xfe");
        CHECK(rig.quit_reason(alice.link) == "data not valid UTF8");
    }
    CHECK(rig.store.pieces.empty());
    CHECK(rig.count(bob.link) == 0);
}

// As recorded with the reference server: 04-post-ping-group-ohi.
TEST_CASE("a group is made by its first invitation, and its members hear of every change") {
    Rig rig;
    auto alice = rig.enrol("Alice Adams"), bob = rig.enrol("Bobby Brown"), carol = rig.enrol("Carol Clark");
    auto invite = [&](const Rig::Account& by, const std::string& from, const std::string& to,
                      const std::string& gid = "Our Group", std::string_view text = "") {
        rig.op(by.link, GroupInvite{"i", gid, from, to, text.size()}, text);
        return rig.pop<AckReply>(by.link);
    };
    auto edit = [&](const Rig::Account& by, const std::string& act, const std::string& newalias = "",
                    const std::string& to = "") {
        rig.op(by.link, GroupEdit{"e", act, "Our Group", newalias, to});
        return rig.pop<AckReply>(by.link).error;
    };
    auto member = [&](const Rig::Account& account, const std::string& act, const std::string& alias) {
        auto news = rig.next(account.link, Kind::member);
        CHECK(news.act == act);
        CHECK(news.alias == alias);
        CHECK(news.gid == "Our Group");
        return news;
    };

    auto ack = invite(alice, "Alice Adams", "Bobby Brown", "Our Group", "join");
    CHECK(ack.error.empty());
    auto invited = rig.next(bob.link, Kind::invite);
    CHECK(invited.id == ack.msgid);
    CHECK(invited.alias == "Alice Adams");
    CHECK(invited.to == "Bobby Brown");
    CHECK(invited.from == alice.uid);
    CHECK(as_text(rig.data[bob.link]) == "join");
    CHECK(member(alice, "invite", "Bobby Brown").from == alice.uid);
    CHECK(rig.count(bob.link) == 0);

    CHECK(invite(bob, "Bobby Brown", "Carol Clark").error ==
          "GroupInvite: iByUid " + bob.uid + " not a member");
    CHECK(invite(alice, "Bobby Brown", "Carol Clark").error == "from must identify sender");
    CHECK(invite(alice, "Alice Adams", "Carol Clark", "short").error == "gid must be 8+ characters");
    CHECK(invite(alice, "Alice Adams", "Bobby Brown", "Carol Clark").error ==
          "GroupInvite: gid Carol Clark not available");
    CHECK(invite(alice, "Alice Adams", "nobody at all").error ==
          "GroupInvite: iAlias nobody at all not found");
    rig.op(bob.link, UserEdit{"u", "", "Our Group"});
    CHECK(rig.pop<AckReply>(bob.link).error == "AddAlias: alias Our Group already taken");

    CHECK(edit(carol, "join") == "GroupJoin: iUid " + carol.uid + " not invited");
    CHECK(edit(bob, "join", "Alice Adams") == "GroupJoin: iNewAlias Alice Adams not for iUid " + bob.uid);
    CHECK(edit(bob, "join").empty());
    member(alice, "join", "Bobby Brown");
    member(bob, "join", "Bobby Brown");
    CHECK(invite(alice, "Alice Adams", "Carol Clark").error.empty());
    rig.next(carol.link, Kind::invite);
    member(alice, "invite", "Carol Clark");
    member(bob, "invite", "Carol Clark");
    CHECK(edit(carol, "join", "Carol Clark").empty());
    for (auto* each : {&alice, &bob, &carol}) member(*each, "join", "Carol Clark");

    rig.op(bob.link, UserEdit{"u", "", "Bob The Second"});
    CHECK(rig.pop<AckReply>(bob.link).error.empty());
    rig.next(bob.link, Kind::user);
    CHECK(edit(bob, "alias", "Bob The Second").empty());
    for (auto* each : {&alice, &bob, &carol})
        CHECK(member(*each, "alias", "Bobby Brown").newalias == "Bob The Second");

    rig.restart();
    for (auto* each : {&alice, &bob, &carol}) {
        each->link = rig.log_in(*each);
        rig.next(each->link, Kind::login);
    }
    CHECK(edit(alice, "drop", "", "Carol Clark").empty());
    for (auto* each : {&alice, &bob, &carol}) member(*each, "drop", "Carol Clark");
    CHECK(edit(carol, "join") == "GroupJoin: iUid " + carol.uid + " not invited");
    CHECK(edit(carol, "drop", "", "Alice Adams") == "GroupQuit: iByUid " + carol.uid + " not a member");
    CHECK(edit(alice, "drop", "", "Carol Clark") == "GroupQuit: iAlias Carol Clark not a member");
    // Who leaves by itself may come back.
    CHECK(edit(bob, "drop", "", "Bob The Second").empty());
    member(alice, "drop", "Bob The Second");
    member(bob, "drop", "Bob The Second");
    CHECK(edit(bob, "join").empty());
    member(alice, "join", "Bob The Second");
    rig.op(alice.link, GroupEdit{"e", "join", "No Such Group", "", ""});
    CHECK(rig.pop<AckReply>(alice.link).error == "GroupJoin: iGid No Such Group not found");
}

TEST_CASE("a post to a group reaches who has joined, and the posting node only if it says so") {
    Rig rig;
    auto alice = rig.enrol("Alice Adams"), bob = rig.enrol("Bobby Brown"), carol = rig.enrol("Carol Clark");
    auto second = rig.add_node(alice, "second");
    second.link = rig.log_in(second);
    rig.next(second.link, Kind::user);
    rig.next(second.link, Kind::login);
    rig.next(alice.link, Kind::login);
    rig.op(alice.link, GroupInvite{"i", "Our Group", "Alice Adams", "Bobby Brown", 0});
    CHECK(rig.pop<AckReply>(alice.link).error.empty());
    rig.next(alice.link, Kind::member);
    rig.next(second.link, Kind::invite);
    rig.next(second.link, Kind::member);
    rig.next(bob.link, Kind::invite);
    auto post = [&](const Rig::Account& by, int type, const std::string& gid = "Our Group") {
        rig.op(by.link, Post{"p", {{gid, type}}, 2, 0, {}}, "hi");
        return rig.pop<AckReply>(by.link).error;
    };
    CHECK(post(alice, Recipient::group_and_self).empty());
    rig.next(alice.link, Kind::delivery);
    rig.next(second.link, Kind::delivery);
    CHECK(rig.count(bob.link) == 0);  // has not joined
    CHECK(post(alice, Recipient::group).empty());
    CHECK(rig.count(alice.link) == 0);
    rig.next(second.link, Kind::delivery);
    CHECK(post(bob, Recipient::group_and_self).empty());  // was invited
    CHECK(rig.count(bob.link) == 0);
    rig.next(alice.link, Kind::delivery);
    rig.next(second.link, Kind::delivery);
    CHECK(post(carol, Recipient::group) == "GroupGetUsers: iByUid " + carol.uid + " not a member");
    CHECK(post(alice, Recipient::group, "No Such Group") == "GroupGetUsers: iGid No Such Group not found");
    CHECK(post(alice, Recipient::uid, "Bobby Brown") == "fetchUser: invalid string 'Bobby Brown'");
    CHECK(post(alice, Recipient::uid, "NOSUCH") == "OpenNodes: iUid NOSUCH not found");
}

TEST_CASE("a post with a note: the post to its recipients, the note to more") {
    Rig rig;
    auto alice = rig.enrol(), bob = rig.enrol(), carol = rig.enrol();
    auto second = rig.add_node(alice, "second");
    second.link = rig.log_in(second);
    rig.next(second.link, Kind::user);
    rig.next(second.link, Kind::login);
    rig.next(alice.link, Kind::login);
    // Longer than a piece each, so that the cut falls within what arrives together.
    const std::string note(limits::tmtp_piece + 10, 'n'), body(limits::tmtp_piece + 20, 'b');
    PostNotify op{Post{"p", {{bob.uid, Recipient::uid}}, note.size() + body.size(), 0, 8},
                  false,
                  {{carol.uid, Recipient::uid}},
                  note.size(),
                  0,
                  7};
    rig.op(alice.link, op, note + body);
    auto ack = rig.pop<AckReply>(alice.link);
    CHECK(ack.error.empty());
    for (LinkId link : {second.link, bob.link}) {
        auto post = rig.next(link, Kind::delivery);
        CHECK(post.id == ack.msgid);
        CHECK(post.notify == 3);
        CHECK(post.datasum == 8);
        auto told = rig.next(link, Kind::notify);
        CHECK(told.postid == ack.msgid);
        CHECK(told.datasum == 7);
        CHECK(as_text(rig.data[link]) == body + note);
    }
    CHECK(rig.next(carol.link, Kind::notify).postid == ack.msgid);
    CHECK(as_text(rig.data[carol.link]) == note);
    CHECK(rig.store.pieces.empty());

    // Not to the sender's other nodes: these get the note alone.
    op.fornotself = true;
    op.notefor.clear();
    rig.op(alice.link, op, note + body);
    CHECK(rig.pop<AckReply>(alice.link).error.empty());
    CHECK(rig.next(bob.link, Kind::delivery).notify == 1);
    rig.next(bob.link, Kind::notify);
    rig.next(second.link, Kind::notify);
    CHECK(rig.store.pieces.empty());

    op.notefor = {{"NOSUCH", Recipient::uid}};
    rig.op(alice.link, op, note + body);
    CHECK(rig.pop<AckReply>(alice.link).error == "OpenNodes: iUid NOSUCH not found");
    CHECK(rig.store.pieces.empty());
    rig.raw(alice.link, encode(op)->substr(0) + note.substr(0, 5));
    rig.cut(alice.link);
    CHECK(rig.store.pieces.empty());
    auto refused = [&](PostNotify bad) {
        auto one = rig.enrol();
        rig.op(one.link, bad, "noteDATA");
        return rig.quit_reason(one.link);
    };
    CHECK(refused({Post{"p", {{bob.uid, 1}}, 4, 0, {}}, false, {}, 4, 0, {}}) ==
          "data too short for request type");
    CHECK(refused({Post{"p", {}, 8, 0, {}}, true, {{bob.uid, 1}}, 4, 0, {}}) == "recipient list empty");
}

TEST_CASE("presence: whom a node names hears when it comes and goes") {
    Rig rig;
    auto alice = rig.enrol(), bob = rig.enrol(), carol = rig.enrol();
    auto edit = [&](const std::string& type, const std::string& uid) {
        rig.op(alice.link, OhiEdit{"o", type, {{uid, Recipient::none}}});
        return rig.pop<AckReply>(alice.link).error;
    };
    CHECK(edit("add", bob.uid).empty());
    auto news = rig.next(alice.link, Kind::ohiedit);
    CHECK(news.type == "add");
    CHECK(news.recipients == std::vector<Recipient>{{bob.uid, Recipient::none}});
    auto heard = rig.pop<OhiReply>(bob.link);
    CHECK(heard.from == alice.uid);
    CHECK(heard.status == 1);
    CHECK(edit("add", bob.uid).empty());  // again: nothing new
    rig.next(alice.link, Kind::ohiedit);
    CHECK(rig.count(bob.link) == 0);
    CHECK(edit("add", "NOSUCH") == "OpenNodes: iUid NOSUCH not found");
    rig.cut(bob.link);
    bob.link = rig.greet();
    rig.op(bob.link, Login{bob.uid, SecretBytes(as_bytes(bob.nodeid))});
    CHECK(rig.pop<InfoReply>(bob.link).ohi == std::vector<std::string>{alice.uid});
    rig.next(bob.link, Kind::login);

    CHECK(edit("init", carol.uid).empty());
    CHECK(rig.pop<OhiReply>(carol.link).status == 1);
    CHECK(rig.count(alice.link) == 0);
    CHECK(edit("drop", carol.uid).empty());
    rig.next(alice.link, Kind::ohiedit);
    CHECK(rig.pop<OhiReply>(carol.link).status == 2);
    rig.op(alice.link, Quit{});
    CHECK(rig.pop<OhiReply>(bob.link).status == 2);
    CHECK(rig.count(carol.link) == 0);
    rig.now.unix_ms += 1;
    rig.log_in(alice);
    CHECK(rig.count(bob.link) == 0);  // it would have to name them again
}

TEST_CASE("waits: the login, an idle link, and links that are closing") {
    Rig rig;
    auto silent = rig.open(), greeted = rig.greet();
    CHECK(rig.hub->next_tick_ms() == rig.now.mono_ms + limits::tmtpd_login_ms);
    auto account = rig.enrol();
    rig.wait(limits::tmtpd_login_ms);
    CHECK(rig.closed == std::set<LinkId>{silent, greeted});
    CHECK(rig.count(greeted) == 0);
    rig.wait(100'000);
    rig.op(account.link, Pulse{});
    rig.wait(100'000);
    CHECK_FALSE(rig.closed.contains(account.link));
    rig.wait(20'000);
    CHECK(rig.closed.contains(account.link));
    rig.wait(1);
    CHECK_FALSE(rig.hub->next_tick_ms());
    rig.raw(account.link, "late bytes");
    rig.wait(1'000'000);
    rig.cut(account.link);
    rig.cut(account.link);
    CHECK(rig.hub->links() == 2);
}

TEST_CASE("a full disk refuses and loses nothing that was accepted") {
    Rig rig;
    auto alice = rig.enrol("Alice Adams"), bob = rig.enrol();
    rig.post(alice.link, {bob.uid}, "kept");
    rig.store.broken = true;
    CHECK_FALSE(rig.post(alice.link, {bob.uid}, "lost").error.empty());
    rig.op(alice.link, UserEdit{"n", "label", ""});
    CHECK_FALSE(rig.pop<AckReply>(alice.link).error.empty());
    rig.op(alice.link, UserEdit{"n", "", "Alice Again"});
    CHECK_FALSE(rig.pop<AckReply>(alice.link).error.empty());
    auto link = rig.greet();
    rig.op(link, Register{"x", "_", ""});
    CHECK_FALSE(rig.quit_reason(link).empty());
    auto kept = rig.pop<Queued>(bob.link);
    rig.ack(bob.link, kept);  // cannot be noted: the link ends, the message comes again
    CHECK(rig.closed.contains(bob.link));
    rig.store.broken = false;
    bob.link = rig.log_in(bob);
    CHECK(encode(rig.next(bob.link, Kind::delivery)) == encode(kept));
}

TEST_CASE("hostile sizes are refused") {
    Rig rig;
    auto alice = rig.enrol("Alice Adams");
    SUBCASE("a post without end") {
        rig.op(alice.link, to_uid(alice.uid, limits::tmtpd_post_bytes + 1));
        CHECK(rig.quit_reason(alice.link) == "data too long for request type");
    }
    SUBCASE("an id that would not fit the answer") {
        rig.op(alice.link, Ping{std::string(300, '<'), "Alice Adams", "Alice Adams", 0});
        CHECK(rig.quit_reason(alice.link) == "invalid header");
    }
    SUBCASE("names that would not fit a header") {
        std::string long_name(limits::tmtpd_name + 1, '<');
        rig.op(alice.link, UserEdit{"n", long_name, ""});
        CHECK_FALSE(rig.pop<AckReply>(alice.link).error.empty());
        rig.op(alice.link, UserEdit{"n", "", long_name});
        CHECK_FALSE(rig.pop<AckReply>(alice.link).error.empty());
        std::string longest(limits::tmtpd_name, '&');
        rig.op(alice.link, UserEdit{"n", "", longest});
        CHECK(rig.pop<AckReply>(alice.link).error.empty());
        rig.next(alice.link, Kind::user);
        rig.op(alice.link, Ping{std::string(limits::tmtpd_request_id, '<'), longest, longest, 0});
        CHECK(rig.pop<AckReply>(alice.link).error.empty());
        CHECK(rig.next(alice.link, Kind::ping).to == longest);
        rig.op(alice.link, Ping{"i", "Alice Adams", std::string(10000, '<'), 0});
        CHECK_FALSE(rig.pop<AckReply>(alice.link).error.empty());
    }
    SUBCASE("a hundred nodes and no more") {
        for (std::size_t i = 1; i < limits::tmtpd_nodes; ++i) rig.add_node(alice, "same label");
        rig.op(alice.link, UserEdit{"n", "one more", ""});
        CHECK_FALSE(rig.pop<AckReply>(alice.link).error.empty());
    }
}

// Each machine by itself: events in, actions out.
#include <doctest/doctest.h>

#include <utility>

#include "invite/people.h"

using namespace kith;
using namespace kith::invite;
using namespace kith::invite::test;

namespace {

// What the issuer's device makes of an answer that came to a drained queue, from a state that was stored.
struct Desk {
    Desk(Someone& whose, const std::string& text) : owner(whose), issuer(*Issuer::issue(text)) {}
    IssuerActions answered(const Guest& from, const std::string& ping, const std::string& msgid = "01",
                           std::int64_t posted = 0, std::size_t service = 0) {
        const auto letter = read_letter(ping);
        if (!letter) return {};
        auto kept = issuer.answered(service, from, msgid, posted, *letter);
        issuer = *Issuer::restore(issuer.state());
        return kept;
    }
    IssuerActions drained(Now now = at(0), const Issuer::Known& known = nobody, std::size_t service = 0) {
        auto actions = issuer.drained(service, known, owner.key, now, owner.random);
        issuer = *Issuer::restore(issuer.state());
        return actions;
    }
    Someone& owner;
    Issuer issuer;
};

// The verdict that a guest reads out of what was done.
std::optional<Verdict> told(const IssuerActions& actions, Acceptance& guest) {
    for (const auto& action : actions)
        if (const auto* say = std::get_if<Say>(&action); say && say->guest == guest.guest()) {
            guest.received(guest.service().uid, *read_letter(say->text));
            guest = *Acceptance::restore(guest.state());
            return guest.verdict();
        }
    return std::nullopt;
}

}  // namespace

TEST_CASE("an answer makes a contact on both sides, once") {
    REQUIRE(crypto::start());
    Someone alice(1, "alice example"), bob(2, "bob the guest");
    const auto text = card_of(alice);
    Desk desk(alice, text);
    auto guest = accept(text, bob);
    const auto ping = answer_in(guest.start());
    CHECK(ping.size() <= 420);
    CHECK(count<Keep>(desk.answered(bob.account, ping)) == 1);
    CHECK(desk.answered(bob.account, ping).empty());
    const auto actions = desk.drained();
    REQUIRE(actions.size() == 3);
    const auto& contact = std::get<Befriend>(actions[0]);
    CHECK(contact.identity == bob.identity);
    CHECK(contact.guest == bob.account);
    CHECK(std::holds_alternative<Keep>(actions[1]));
    const auto letter = *read_letter(std::get<Say>(actions[2]).text);
    CHECK(desk.issuer.standing() == Issuer::Standing::used_up);
    CHECK(desk.drained().empty());

    const auto made = guest.received(alice.account.uid, letter);
    CHECK(count<BefriendIssuer>(made) == 1);
    CHECK(count<Keep>(made) == 1);
    CHECK(guest.verdict() == Verdict::accepted);
    // Whatever comes later, it stays.
    CHECK(guest.received(alice.account.uid, letter).empty());
    const auto refusal =
        write_refusal(guest.card().id(), alice.account.uid, bob.account.uid, Verdict::unknown, alice.key);
    CHECK(guest.received(alice.account.uid, *read_letter(refusal)).empty());
    CHECK(guest.tick(at(100 * hour_ms)).empty());

    // The same answer again gets the same reply, and no second use.
    desk.answered(bob.account, ping, "02");
    const auto again = desk.drained();
    CHECK(count<Say>(again) == 1);
    // Nor does it bring back a contact who was removed since.
    CHECK(count<Befriend>(again) == 0);
    CHECK(told(again, guest) == Verdict::accepted);
    CHECK(desk.issuer.uses().size() == 1);
}

TEST_CASE("of several answers the lowest message id wins, and the others are told") {
    Someone alice(1, "alice example"), bob(2, "bob the guest"), carol(3, "carol with a copy");
    const auto text = card_of(alice);
    Desk desk(alice, text);
    auto first = accept(text, bob), second = accept(text, carol);
    desk.answered(carol.account, answer_in(second.start()), "0a");
    desk.answered(bob.account, answer_in(first.start()), "09");
    const auto actions = desk.drained();
    CHECK(count<Befriend>(actions) == 1);
    CHECK(told(actions, first) == Verdict::accepted);
    CHECK(told(actions, second) == Verdict::used_up);
}

TEST_CASE("a card is good for as many people as it says, and a person counts once") {
    Someone alice(1, "alice example"), bob(2, "bob the guest"), carol(3, "carol of two"),
        dave(4, "dave the third");
    auto card =
        make_card(alice.identity, {service_of(alice, "club"), service_of(alice, "", "=b.example.org:2")}, "",
                  2, hour_ms, at(0), alice.random);
    const auto text = *encode_card(card, alice.key);
    Desk desk(alice, text);
    auto one = accept(text, bob), other = accept(text, bob, 1), two = accept(text, carol),
         three = accept(text, dave);
    desk.answered(bob.account, answer_in(one.start()), "01");
    desk.answered(bob.account, answer_in(other.start()), "01", 0, 1);
    auto actions = desk.drained();
    CHECK(told(actions, one) == Verdict::accepted);
    // With several uses the group waits for its owner.
    CHECK(count<InviteToGroup>(actions) == 0);
    CHECK(told(desk.drained(at(0), nobody, 1), other) == Verdict::accepted);
    desk.answered(carol.account, answer_in(two.start()), "02");
    CHECK(told(desk.drained(), two) == Verdict::accepted);
    desk.answered(dave.account, answer_in(three.start()), "03");
    CHECK(told(desk.drained(), three) == Verdict::used_up);
}

TEST_CASE("one use is one account at each service, however many one person has") {
    Someone alice(1, "alice example"), bob(2, "bob the guest"), friends(3, "bob's friends");
    auto card =
        make_card(alice.identity, {service_of(alice, "club"), service_of(alice, "", "=b.example.org:2")}, "",
                  1, hour_ms, at(0), alice.random);
    const auto text = *encode_card(card, alice.key);
    Desk desk(alice, text);
    auto one = accept(text, bob);
    desk.answered(bob.account, answer_in(one.start()), "01");
    CHECK(count<InviteToGroup>(desk.drained()) == 1);
    auto twin = accept(text, bob, 1);
    desk.answered(bob.account, answer_in(twin.start()), "02", 0, 1);
    CHECK(told(desk.drained(at(0), nobody, 1), twin) == Verdict::accepted);
    CHECK(desk.issuer.used() == 1);
    const auto account = std::exchange(bob.account, friends.account);
    for (const std::size_t service : {0, 1}) {
        auto more = accept(text, bob, service);
        desk.answered(friends.account, answer_in(more.start()), "03", 0, service);
        const auto actions = desk.drained(at(0), nobody, service);
        CHECK(told(actions, more) == Verdict::used_up);
        CHECK(count<Befriend>(actions) + count<InviteToGroup>(actions) == 0);
    }
    CHECK(desk.issuer.uses().size() == 2);

    // Of a card for two, a second account is a second use, and goes with one at the other service.
    card = make_card(alice.identity, card.services, "", 2, hour_ms, at(0), alice.random);
    const auto two = *encode_card(card, alice.key);
    Desk other(alice, two);
    int accepted = 0;
    for (const auto& who : {account, friends.account, Guest{"9" + account.uid.substr(1), "a third account"}})
        for (const std::size_t service : {0, 1}) {
            bob.account = who;
            auto guest = accept(two, bob, service);
            other.answered(who, answer_in(guest.start()), "01", 0, service);
            accepted += told(other.drained(at(0), nobody, service), guest) == Verdict::accepted;
        }
    CHECK(accepted == 4);
    CHECK(other.issuer.used() == 2);
}

TEST_CASE("an answer that is told face to face makes a contact at once, and the ping vouches for it") {
    Someone alice(1, "alice example"), bob(2, "bob the guest"), mallory(3, "mallory");
    const auto text = card_of(alice, 1, "a club");
    Desk desk(alice, text);
    auto guest = accept(text, bob);
    const auto letter = *read_letter(guest.answer());
    auto tell = [&](const Guest& who, const roster::Identity& by, const Issuer::Known& known = nobody) {
        auto told = desk.issuer.told(0, who, by, letter, known, alice.key, at(0), alice.random);
        desk.issuer = *Issuer::restore(desk.issuer.state());
        return told;
    };
    // Of somebody else, or of another account than the letter's.
    CHECK(tell(bob.account, mallory.identity).reply.empty());
    CHECK(tell(mallory.account, bob.identity).reply.empty());
    // An account that is known under another identity: he is told, and it is not flagged by that.
    const auto other =
        tell(bob.account, bob.identity, [&](std::size_t, const std::string&) { return mallory.identity; });
    CHECK(other.actions.empty());
    CHECK_FALSE(other.reply.empty());
    auto told = tell(bob.account, bob.identity);
    REQUIRE(count<Befriend>(told.actions) == 1);
    CHECK_FALSE(std::get<Befriend>(told.actions[1]).vouched);
    CHECK(count<InviteToGroup>(told.actions) == 0);
    CHECK(desk.issuer.standing() == Issuer::Standing::used_up);
    CHECK(tell(bob.account, bob.identity).actions.empty());

    auto made = guest.told(*read_letter(told.reply));
    REQUIRE(count<BefriendIssuer>(made) == 1);
    CHECK_FALSE(std::get<BefriendIssuer>(made[0]).vouched);
    CHECK(guest.verdict() == Verdict::accepted);
    guest = *Acceptance::restore(guest.state());
    CHECK(guest.told(*read_letter(told.reply)).empty());
    // It goes on to ask for the service's word.
    CHECK(count<Answer>(guest.tick(at(25 * hour_ms))) == 1);

    desk.answered(bob.account, guest.answer());
    const auto vouched = desk.drained();
    REQUIRE(count<Befriend>(vouched) == 1);
    CHECK(std::get<Befriend>(vouched[0]).vouched);
    CHECK(count<InviteToGroup>(vouched) == 1);
    CHECK(desk.issuer.used() == 1);
    for (const auto& action : vouched)
        if (const auto* say = std::get_if<Say>(&action))
            made = guest.received(alice.account.uid, *read_letter(say->text));
    REQUIRE(count<BefriendIssuer>(made) == 1);
    CHECK(std::get<BefriendIssuer>(made[0]).vouched);
    CHECK(guest.tick(at(50 * hour_ms)).empty());
    // And once more it is old news.
    desk.answered(bob.account, guest.answer(), "02");
    CHECK(count<Befriend>(desk.drained()) == 0);
}

TEST_CASE("a card that is over, or used by another, is refused face to face as well") {
    Someone alice(1, "alice example"), bob(2, "bob the guest"), carol(3, "carol with a copy");
    const auto text = card_of(alice);
    auto verdict = [&](Desk& desk, Someone& who, Now now) {
        auto guest = accept(text, who);
        const auto told = desk.issuer.told(0, who.account, who.identity, *read_letter(guest.answer()), nobody,
                                           alice.key, now, alice.random);
        CHECK(told.actions.empty() == (guest.told(*read_letter(told.reply)).size() < 2));
        return guest.verdict();
    };
    Desk used(alice, text), late(alice, text), withdrawn(alice, text);
    CHECK(verdict(used, bob, at(0)) == Verdict::accepted);
    CHECK(verdict(used, carol, at(0)) == Verdict::used_up);
    CHECK(verdict(late, bob, at(hour_ms)) == Verdict::expired);
    withdrawn.issuer.withdraw(at(0));
    CHECK(verdict(withdrawn, bob, at(0)) == Verdict::withdrawn);
}

TEST_CASE("one account with two identities in one queue is a contact with the first, and costs one use") {
    Someone alice(1, "alice example"), bob(2, "bob the guest"), mallory(3, "mallory");
    const auto text = card_of(alice, 2);
    Desk desk(alice, text);
    mallory.account = bob.account;
    auto guest = accept(text, bob), thief = accept(text, mallory);
    desk.answered(bob.account, answer_in(guest.start()), "01");
    desk.answered(bob.account, answer_in(thief.start()), "02");
    const auto actions = desk.drained();
    CHECK(count<Befriend>(actions) == 1);
    CHECK(count<Flag>(actions) == 1);
    CHECK(desk.issuer.used() == 1);
}

TEST_CASE("a refusal by a device that has not heard of the card does not end the guest's waiting") {
    Someone alice(1, "alice example"), bob(2, "bob the guest");
    const auto text = card_of(alice);
    auto guest = accept(text, bob);
    const auto ping = answer_in(guest.start());
    const auto refusal = [&](Verdict verdict) {
        return *read_letter(
            write_refusal(guest.card().id(), alice.account.uid, bob.account.uid, verdict, alice.key));
    };
    const auto reply = [&](Verdict verdict) {
        return *read_letter(write_reply(guest.card(), guest.service(), bob.account, bob.identity, verdict,
                                        alice.key, alice.random));
    };
    CHECK(count<Keep>(guest.received(alice.account.uid, refusal(Verdict::unknown))) == 1);
    CHECK(guest.verdict() == Verdict::unknown);
    CHECK(guest.received(alice.account.uid, refusal(Verdict::unknown)).empty());
    guest = *Acceptance::restore(guest.state());
    CHECK(answer_in(guest.tick(at(25 * hour_ms))) == ping);
    // The device that made it has the last word, and after that no other one has.
    CHECK(count<Keep>(guest.received(alice.account.uid, reply(Verdict::used_up))) == 1);
    CHECK(guest.tick(at(50 * hour_ms)).empty());
    CHECK(guest.received(alice.account.uid, refusal(Verdict::unknown)).empty());
    CHECK(guest.verdict() == Verdict::used_up);
    CHECK(count<BefriendIssuer>(guest.received(alice.account.uid, reply(Verdict::accepted))) == 1);
}

TEST_CASE("withdrawn and expired are said, and who was accepted stays so") {
    Someone alice(1, "alice example"), bob(2, "bob the guest"), carol(3, "carol the late");
    const auto text = card_of(alice, 9);
    Desk desk(alice, text);
    auto early = accept(text, bob), late = accept(text, carol);
    desk.answered(bob.account, answer_in(early.start()));
    CHECK(told(desk.drained(), early) == Verdict::accepted);
    CHECK(count<Keep>(desk.issuer.withdraw(at(5))) == 1);
    CHECK(desk.issuer.withdraw(at(6)).empty());
    CHECK(desk.issuer.ended_ms() == 5);
    desk.answered(carol.account, answer_in(late.start()), "02");
    CHECK(told(desk.drained(), late) == Verdict::withdrawn);
    desk.answered(bob.account, answer_in(early.start()), "03");
    CHECK(told(desk.drained(), early) == Verdict::accepted);
}

TEST_CASE("an answer in time counts though the issuer was away, until the issuer was there") {
    Someone alice(1, "alice example"), bob(2, "bob the guest"), carol(3, "carol the late");
    const auto text = card_of(alice, 9);
    auto verdict_at = [&](Now now, std::int64_t posted, bool there_before) {
        Desk desk(alice, text);
        if (there_before) desk.drained(now);
        auto guest = accept(text, bob);
        desk.answered(bob.account, answer_in(guest.start()), "01", posted);
        return told(desk.drained(now), guest);
    };
    constexpr auto day = 24 * hour_ms;
    CHECK(verdict_at(at(hour_ms - 1), hour_ms - 1, true) == Verdict::accepted);
    // Away meanwhile; and the same when a service antedates afterwards.
    CHECK(verdict_at(at(day), hour_ms - 1, false) == Verdict::accepted);
    CHECK(verdict_at(at(day), hour_ms - 1, true) == Verdict::expired);
    CHECK(verdict_at(at(day), hour_ms, false) == Verdict::expired);
    // The issuer's clock is a day behind the service's, or a day ahead of it.
    CHECK(verdict_at(at(0), day, true) == Verdict::accepted);
    CHECK(verdict_at(at(day), 0, false) == Verdict::accepted);
    CHECK(verdict_at(at(day), 0, true) == Verdict::expired);
    Desk desk(alice, text);
    CHECK(count<Keep>(desk.drained(at(hour_ms))) == 1);
    CHECK(desk.issuer.standing() == Issuer::Standing::expired);
    CHECK(desk.issuer.ended_ms() == hour_ms);
}

TEST_CASE("an account that is known under another identity is flagged, and costs no use") {
    Someone alice(1, "alice example"), bob(2, "bob the guest"), mallory(3, "mallory");
    const auto text = card_of(alice);
    Desk desk(alice, text);
    const Issuer::Known known = [&](std::size_t, const std::string& uid) {
        return uid == bob.account.uid ? std::optional(bob.identity) : std::nullopt;
    };
    mallory.account = bob.account;
    auto thief = accept(text, mallory);
    desk.answered(bob.account, answer_in(thief.start()));
    const auto actions = desk.drained(at(0), known);
    CHECK(count<Flag>(actions) == 1);
    CHECK(count<Befriend>(actions) == 0);
    CHECK(told(actions, thief) == Verdict::other_identity);
    CHECK(desk.issuer.standing() == Issuer::Standing::open);
    auto guest = accept(text, bob);
    desk.answered(bob.account, answer_in(guest.start()), "02");
    CHECK(told(desk.drained(at(0), known), guest) == Verdict::accepted);
}

TEST_CASE("a service that reads and alters pings can neither answer, nor reply, nor refuse") {
    Someone alice(1, "alice example"), bob(2, "bob the guest"), mallory(3, "mallory at the service");
    const auto text = card_of(alice);
    Desk desk(alice, text);
    auto guest = accept(text, bob);
    const auto ping = answer_in(guest.start());
    // Another sender, another alias: bound to both.
    CHECK(desk.answered({mallory.account.uid, bob.account.alias}, ping).empty());
    CHECK(desk.answered({bob.account.uid, mallory.account.alias}, ping).empty());
    // What was said about another card says nothing of this one.
    auto other = accept(card_of(mallory), bob);
    CHECK(desk.answered(bob.account, answer_in(other.start())).empty());
    desk.answered(bob.account, ping);
    const auto reply = std::get<Say>(desk.drained().back()).text;
    CHECK(guest.received(mallory.account.uid, *read_letter(reply)).empty());
    for (auto letter : {ping, reply}) {
        // Every bit of every character: most are no letter any more, and none has an effect.
        for (std::size_t bit = 0; bit < letter.size() * 8; ++bit) {
            auto changed = letter;
            changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
            const auto read = read_letter(changed);
            if (!read) continue;
            CHECK(guest.received(alice.account.uid, *read).empty());
            CHECK(desk.answered(bob.account, changed, "00").empty());
        }
    }
    const auto forged =
        write_refusal(guest.card().id(), alice.account.uid, bob.account.uid, Verdict::withdrawn, mallory.key);
    CHECK(guest.received(alice.account.uid, *read_letter(forged)).empty());
    // By a refusal nobody is accepted.
    const auto odd =
        write_refusal(guest.card().id(), alice.account.uid, bob.account.uid, Verdict::accepted, alice.key);
    CHECK(guest.received(alice.account.uid, *read_letter(odd)).empty());
    CHECK_FALSE(guest.verdict());
}

TEST_CASE("who has a copy of the card and the service forges no reply") {
    Someone alice(1, "alice example"), bob(2, "bob the guest"), mallory(3, "mallory with a copy");
    const auto text = card_of(alice);
    auto guest = accept(text, bob);
    const auto reply = write_reply(guest.card(), guest.service(), bob.account, bob.identity,
                                   Verdict::accepted, mallory.key, mallory.random);
    CHECK(guest.received(alice.account.uid, *read_letter(reply)).empty());
    // A reply to another guest is none to this one.
    const auto to_mallory = write_reply(guest.card(), guest.service(), bob.account, mallory.identity,
                                        Verdict::accepted, alice.key, alice.random);
    CHECK(guest.received(alice.account.uid, *read_letter(to_mallory)).empty());
    // Somebody else's recovery key in an answer gives a person that nobody has.
    mallory.identity.recovery = bob.identity.recovery;
    CHECK(mallory.identity.person() != bob.identity.person());
}

TEST_CASE("the group is joined when the invitation and the reply are there, in either order") {
    Someone alice(1, "alice example"), bob(2, "bob the guest");
    const auto text = card_of(alice, 1, "a club");
    for (bool invitation_first : {true, false}) {
        Desk desk(alice, text);
        auto guest = accept(text, bob);
        desk.answered(bob.account, answer_in(guest.start()));
        const auto actions = desk.drained();
        CHECK(count<InviteToGroup>(actions) == 1);
        CHECK(guest.invited(bob.account.uid, "a club").empty());
        CHECK(guest.invited(alice.account.uid, "another").empty());
        int joined = 0;
        if (invitation_first) joined += count<JoinGroup>(guest.invited(alice.account.uid, "a club"));
        CHECK(joined == 0);
        for (const auto& action : actions)
            if (const auto* say = std::get_if<Say>(&action))
                joined += count<JoinGroup>(guest.received(alice.account.uid, *read_letter(say->text)));
        CHECK(joined == (invitation_first ? 1 : 0));
        if (!invitation_first) joined += count<JoinGroup>(guest.invited(alice.account.uid, "a club"));
        CHECK(joined == 1);
        CHECK(guest.invited(alice.account.uid, "a club").empty());
    }
}

TEST_CASE("the same answer goes out again each day, for a month") {
    Someone alice(1, "alice example"), bob(2, "bob the guest");
    auto guest = accept(card_of(alice), bob);
    const auto ping = answer_in(guest.start());
    CHECK(guest.tick(at(23 * hour_ms)).empty());
    int again = 0;
    for (std::int64_t day = 1; day < 100; ++day) {
        const auto actions = guest.tick(at(day * 24 * hour_ms));
        again += count<Answer>(actions);
        if (!actions.empty()) CHECK(answer_in(actions) == ping);
        guest = *Acceptance::restore(guest.state());
    }
    CHECK(again == 30);
}

TEST_CASE("one's own card is not accepted, and a damaged state is told") {
    Someone alice(1, "alice example"), bob(2, "bob the guest");
    const auto text = card_of(alice);
    CHECK(Acceptance::accept(text, 0, alice.account, alice.identity, alice.key, at(0), alice.random)
              .error()
              .kind == Fault::refused);
    CHECK_FALSE(Acceptance::accept(text, 1, bob.account, bob.identity, bob.key, at(0), bob.random));
    const auto issuer = Issuer::issue(text)->state(), guest = accept(text, bob).state();
    for (std::size_t size = 0; size < issuer.size(); ++size)
        CHECK_FALSE(Issuer::restore(ByteView(issuer).first(size)));
    for (std::size_t size = 0; size < guest.size(); ++size)
        CHECK_FALSE(Acceptance::restore(ByteView(guest).first(size)));
}

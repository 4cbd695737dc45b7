// An issuer and guests at a service that loses, repeats and delays pings, each crashing after any action,
// also when the first guest is met face to face: in the end there is one contact on both sides, or none and
// the card is still good.
#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <set>

#include "invite/people.h"

using namespace kith;
using namespace kith::invite;
using namespace kith::invite::test;

namespace {

struct Crash {};

struct Ping {
    Guest from;
    std::string text, msgid;
    std::int64_t posted_ms = 0;
};

// The service: a queue to each alias. Until `calm`, pings may be lost, doubled, and change places.
struct Service {
    explicit Service(std::uint64_t seed) : random(seed) {}
    void ping(const Guest& from, const std::string& to, const std::string& text, Now now) {
        if (!calm && random.below(100) < 30) return;
        auto& queue = queues[to];
        for (int copies = !calm && random.below(100) < 20 ? 2 : 1; copies > 0; --copies) {
            auto id = std::to_string(next_id++);
            queue.push_back({from, text, std::string(16 - id.size(), '0') + id, now.unix_ms});
            if (!calm && queue.size() > 1 && random.below(4) == 0) std::swap(queue.front(), queue.back());
        }
    }
    SeededRandom random;
    std::map<std::string, std::deque<Ping>> queues;
    std::uint64_t next_id = 1;
    bool calm = false;
};

// What every device has: contacts and a machine's state that are durable, and crashes that take the rest.
struct Device {
    Device(Someone& whose, Service& at_service) : owner(whose), service(at_service) {}
    void maybe_crash() {
        if (!service.calm && service.random.below(100) < 15) throw Crash();
    }
    void befriend(const std::string& uid) {
        contacts.insert(uid);
        maybe_crash();
    }
    Someone& owner;
    Service& service;
    std::set<std::string> contacts;
    std::optional<Bytes> kept;
};

struct IssuingDevice : Device {
    using Device::Device;
    void run(Issuer& issuer, const IssuerActions& actions, Now now) {
        for (const auto& action : actions) {
            if (const auto* contact = std::get_if<Befriend>(&action)) befriend(contact->guest.uid);
            if (std::holds_alternative<Keep>(action)) kept = issuer.state();
            if (const auto* say = std::get_if<Say>(&action))
                service.ping(owner.account, say->guest.alias, say->text, now);
            maybe_crash();
        }
    }
    // One stretch of work, from what was kept, as after a start.
    void work(Now now) {
        auto issuer = *Issuer::restore(*kept);
        auto& queue = service.queues[owner.account.alias];
        try {
            while (!queue.empty()) {
                const Ping ping = queue.front();
                if (const auto letter = read_letter(ping.text))
                    run(issuer, issuer.answered(0, ping.from, ping.msgid, ping.posted_ms, *letter), now);
                queue.pop_front();  // acknowledged
            }
            run(issuer, issuer.drained(0, nobody, owner.key, now, owner.random), now);
        } catch (const Crash&) {
        }
    }
};

struct GuestDevice : Device {
    using Device::Device;
    void run(Acceptance& acceptance, const AcceptanceActions& actions, Now now) {
        for (const auto& action : actions) {
            if (std::holds_alternative<BefriendIssuer>(action)) befriend(acceptance.service().uid);
            if (std::holds_alternative<Keep>(action)) kept = acceptance.state();
            if (const auto* answer = std::get_if<Answer>(&action))
                service.ping(owner.account, acceptance.service().alias, answer->text, now);
            maybe_crash();
        }
    }
    void accept_card(const std::string& text, Now now) {
        try {
            maybe_crash();
            auto acceptance = accept(text, owner);
            run(acceptance, acceptance.start(), now);
        } catch (const Crash&) {
        }
    }
    void work(Now now) {
        if (!kept) return;
        auto acceptance = *Acceptance::restore(*kept);
        auto& queue = service.queues[owner.account.alias];
        try {
            while (!queue.empty()) {
                const Ping ping = queue.front();
                if (const auto letter = read_letter(ping.text))
                    run(acceptance, acceptance.received(ping.from.uid, *letter), now);
                queue.pop_front();
            }
            run(acceptance, acceptance.tick(now), now);
        } catch (const Crash&) {
        }
    }
};

// Beside each other: the answer is told, and the reply, as far as both get; the ping follows.
void meet(IssuingDevice& host, GuestDevice& joiner, const std::string& text, Now now) {
    try {
        joiner.maybe_crash();
        auto acceptance = accept(text, joiner.owner);
        joiner.kept = acceptance.state();
        joiner.maybe_crash();
        Issuer::Told told;
        try {
            auto issuer = *Issuer::restore(*host.kept);
            told =
                issuer.told(0, joiner.owner.account, joiner.owner.identity, *read_letter(acceptance.answer()),
                            nobody, host.owner.key, now, host.owner.random);
            host.run(issuer, told.actions, now);
        } catch (const Crash&) {
            told.reply.clear();
        }
        joiner.run(acceptance, acceptance.start(), now);
        if (!told.reply.empty() && joiner.service.random.below(100) >= 30)
            joiner.run(acceptance, acceptance.told(*read_letter(told.reply)), now);
    } catch (const Crash&) {
    }
}

}  // namespace

TEST_CASE(
    "whatever is lost, repeated or crashes, both have a contact or neither, and the card is still good") {
    REQUIRE(crypto::start());
    int contacts = 0, none = 0;
    for (std::uint64_t seed = 1; seed <= 240; ++seed) {
        CAPTURE(seed);
        Service service(seed);
        Someone alice(seed, "alice example"), bob(seed + 1, "bob the guest"),
            carol(seed + 2, "carol with a copy");
        const auto text = [&] {
            auto card =
                make_card(alice.identity, {service_of(alice)}, "", 1, 1000 * hour_ms, at(0), alice.random);
            return *encode_card(card, alice.key);
        }();
        IssuingDevice issuer(alice, service);
        issuer.kept = Issuer::issue(text)->state();
        GuestDevice guests[] = {{bob, service}, {carol, service}};
        const std::size_t many = 1 + service.random.below(2);
        const bool beside = service.random.below(2) == 0;
        if (beside) meet(issuer, guests[0], text, at(0));
        for (std::size_t i = beside ? 1 : 0; i < many; ++i) guests[i].accept_card(text, at(0));
        for (std::int64_t day = 0; day < 30; ++day) {
            service.calm = day >= 10;
            const auto now = at(day * 24 * hour_ms);
            for (int turns = 0; turns < 3; ++turns) {
                issuer.work(now);
                for (std::size_t i = 0; i < many; ++i) guests[i].work(now);
            }
        }
        const auto end = *Issuer::restore(*issuer.kept);
        CHECK(end.uses().size() == issuer.contacts.size());
        CHECK(issuer.contacts.size() <= 1);
        std::size_t theirs = 0;
        for (std::size_t i = 0; i < many; ++i) {
            const auto& guest = guests[i];
            CHECK(guest.contacts.size() == issuer.contacts.count(guest.owner.account.uid));
            theirs += guest.contacts.size();
            if (!guest.kept) continue;
            // Who began has heard how it ended.
            const auto verdict = Acceptance::restore(*guest.kept)->verdict();
            CHECK(verdict == (guest.contacts.empty() ? Verdict::used_up : Verdict::accepted));
        }
        CHECK(theirs == issuer.contacts.size());
        if (issuer.contacts.empty()) CHECK(end.standing() == Issuer::Standing::open);
        ++(issuer.contacts.empty() ? none : contacts);
    }
    CHECK(contacts > 100);
    CHECK(none > 5);
}

TEST_CASE("a service that lets nothing through makes no contact, and the card is still good") {
    Service service(1);
    Someone alice(1, "alice example"), bob(2, "bob the guest");
    IssuingDevice issuer(alice, service);
    issuer.kept = Issuer::issue(card_of(alice, 1))->state();
    service.calm = true;
    GuestDevice guest(bob, service);
    guest.accept_card(Issuer::restore(*issuer.kept)->text(), at(0));
    for (std::int64_t hour = 0; hour < 2000; hour += 12) {
        guest.work(at(hour * hour_ms));
        service.queues.clear();
        if (hour == 0) issuer.work(at(0));
    }
    CHECK(issuer.contacts.empty());
    CHECK(guest.contacts.empty());
    CHECK(Issuer::restore(*issuer.kept)->standing() == Issuer::Standing::open);
}

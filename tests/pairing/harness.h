// Two pairing machines (or more) and a network in memory, driven by hand.
#pragma once

#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/seeded_random.h"
#include "crypto/keys.h"
#include "pairing/host.h"
#include "pairing/joiner.h"

namespace kith::pairing::test {

template <class T, class Actions>
const T* find(const Actions& actions) {
    for (const auto& action : actions)
        if (const auto* found = std::get_if<T>(&action)) return found;
    return nullptr;
}

inline NewOffer test_offer(Random& random, Now now = {}) {
    return make_offer(OfferKind::device, {*Address::parse("192.0.2.1")}, 4000, limits::offer_valid_ms, now,
                      random);
}

struct World;

// One joiner with its connection and what it told its owner.
struct JoinerEnd {
    explicit JoinerEnd(const Offer& offer) : machine(offer) {}
    Joiner machine;
    LinkPublic client;
    bool up = false;
    int connects = 0;
    std::string code;  // shown at present
    std::vector<int> wrong;
    bool established = false;
    std::optional<joiner::Failed> failed;
    std::optional<Bytes> verdict;
};

struct InFlight {
    bool to_host;
    LinkPublic client;
    wire::Frame frame;
};

struct World {
    explicit World(std::uint64_t seed)
        : random(seed),
          made(test_offer(random)),
          host(made.offer, to_bytes("introduction"), limits::offer_valid_ms, now) {}

    JoinerEnd& add_joiner(const Offer& offer) {
        joiners.push_back(std::make_unique<JoinerEnd>(offer));
        auto& end = *joiners.back();
        carry_out(end, end.machine.start(now, random));
        return end;
    }
    JoinerEnd& add_joiner() { return add_joiner(made.offer); }

    void carry_out(JoinerEnd& end, JoinerActions actions) {
        for (auto& action : actions) {
            if (auto* connect = std::get_if<joiner::Connect>(&action)) {
                end.client = connect->client_key.public_key;
                end.up = true;
                end.code.clear();
                ++end.connects;
                carry_out(end, end.machine.connected(now, random));
            } else if (auto* send = std::get_if<joiner::Send>(&action)) {
                if (end.up) wire.push_back({true, end.client, std::move(send->frame)});
            } else if (auto* show = std::get_if<joiner::ShowCode>(&action)) {
                end.code = show->code;
            } else if (auto* wrong = std::get_if<joiner::CodeWrong>(&action)) {
                end.wrong.push_back(wrong->left);
            } else if (std::get_if<joiner::Established>(&action)) {
                end.established = true;
            } else if (std::get_if<joiner::Introduced>(&action)) {
                if (answer_introductions) carry_out(end, end.machine.reply(to_bytes("reply"), now));
            } else if (auto* finished = std::get_if<joiner::Finished>(&action)) {
                end.verdict = finished->verdict;
            } else if (auto* failed = std::get_if<joiner::Failed>(&action)) {
                end.failed = *failed;
            }
        }
    }

    void carry_out(HostActions actions) {
        for (auto& action : actions) {
            if (auto* send = std::get_if<host::Send>(&action))
                wire.push_back({false, send->client, std::move(send->frame)});
            else if (std::get_if<host::CodeWanted>(&action))
                code_wanted = true;
            else if (std::get_if<host::Lost>(&action))
                code_wanted = false;
            else if (auto* wrong = std::get_if<host::CodeWrong>(&action))
                host_wrong.push_back(wrong->left), code_wanted = false;
            else if (auto* warning = std::get_if<host::Warning>(&action))
                warnings.push_back(warning->text);
            else if (std::get_if<host::Established>(&action))
                host_established = true;
            else if (auto* replied = std::get_if<host::Replied>(&action))
                replies.push_back(replied->reply);
            else if (auto* finished = std::get_if<host::Finished>(&action))
                host_finished = *finished;
            else if (auto* failed = std::get_if<host::Failed>(&action))
                host_failed = failed->error;
            else if (auto* drop = std::get_if<host::Drop>(&action))
                dropped.push_back(drop->client);
        }
    }

    JoinerEnd* joiner_of(const LinkPublic& client) {
        for (auto& end : joiners)
            if (end->client == client) return end.get();
        return nullptr;
    }

    // Delivers the oldest frame. False when there is none.
    bool deliver() {
        if (wire.empty()) return false;
        auto item = std::move(wire.front());
        wire.pop_front();
        if (item.to_host) {
            carry_out(host.received(item.client, item.frame, now, random));
        } else if (auto* end = joiner_of(item.client); end && end->up) {
            carry_out(*end, end->machine.received(item.frame, now, random));
        }
        return true;
    }
    void settle() {
        while (deliver()) {
        }
    }
    void type(const std::string& code) {
        code_wanted = false;
        carry_out(host.code_typed(code, now, random));
    }
    void accept() { carry_out(host.accept(to_bytes("verdict"), now)); }

    // Cuts a joiner's connection: what is on the way is gone.
    void cut(JoinerEnd& end, bool tell_host, bool tell_joiner) {
        const LinkPublic client = end.client;
        std::erase_if(wire, [&](const InFlight& item) { return item.client == client; });
        end.up = false;
        if (tell_host) carry_out(host.link_lost(client, now));
        if (tell_joiner) carry_out(end, end.machine.link_lost(now, random));
    }

    SeededRandom random;
    Now now;
    NewOffer made;
    Host host;
    std::vector<std::unique_ptr<JoinerEnd>> joiners;
    std::deque<InFlight> wire;
    bool answer_introductions = true;

    bool code_wanted = false;
    std::vector<int> host_wrong;
    std::vector<std::string> warnings;
    std::vector<LinkPublic> dropped;
    std::vector<Bytes> replies;
    bool host_established = false;
    std::optional<host::Finished> host_finished;
    std::optional<Error> host_failed;
};

// Another code of the same length.
inline std::string other_code(std::string code) {
    code[0] = code[0] == '0' ? '1' : '0';
    return code;
}

}  // namespace kith::pairing::test

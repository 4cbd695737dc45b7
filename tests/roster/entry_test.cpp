#include "roster/entry.h"

#include <doctest/doctest.h>

#include "base/limits.h"
#include "roster/identity.h"
#include "roster/people.h"
#include "roster/vectors.h"

using namespace kith;
using namespace kith::roster;
using namespace kith::roster::test;

namespace {

Entry signed_act(Person& p, Act act) {
    return *sign_entry({p.id, std::nullopt, 2, {p.log[0].id}, -5, std::move(act)}, p.recovery);
}

bool readable(std::string_view bytes) {
    return read_entry(as_bytes(bytes), {}).has_value();
}

}  // namespace

TEST_CASE("every act comes back from its bytes as it was signed") {
    REQUIRE(crypto::start());
    Person p(1);
    auto device = p.device("a \"name\" \\ of ümläuts");
    const auto some = device.id();
    const EntryId bar = p.log[0].id;
    const Act acts[] = {Add{device.request},
                        Rename{some, "new"},
                        Bar{some, bar, true},
                        Bar{some, std::nullopt, false},
                        Contest{bar},
                        Lift{bar},
                        Recover{device.act_key.public_key(), {{some, bar}, {some, std::nullopt}}, {some}},
                        Recover{std::nullopt, {}, {}}};
    for (const auto& act : acts) {
        CAPTURE(act_name(act));
        const auto entry = signed_act(p, act);
        auto again = read_entry(entry.bytes, entry.signature);
        REQUIRE(again);
        CHECK(again->id == entry.id);
        CHECK(signed_by(*again, p.recovery.public_key()));
        CHECK_FALSE(signed_by(*again, device.act_key.public_key()));
        CHECK(again->body.time_ms == -5);
        // Encoding what was read gives the same bytes: nothing was lost.
        CHECK(sign_entry(again->body, p.recovery)->bytes == entry.bytes);
    }
    const auto add = signed_act(p, Add{device.request});
    CHECK(std::get<Add>(add.body.act).request == device.request);
    const auto request = read_request(device.request);
    REQUIRE(request);
    CHECK(request->name == "a \"name\" \\ of ümläuts");
    CHECK(request->link_key == device.link_key.public_key);
}

TEST_CASE("a request stands only with both signatures, over its exact bytes") {
    Person p(2);
    auto device = p.device("phone");
    for (int what = 0; what < 4; ++what) {
        auto request = device.request;
        if (what == 0) request.bytes.back() ^= 1;
        if (what == 1) request.by_act = request.by_device;
        if (what == 2) request.by_device = request.by_act;
        if (what == 3) request.bytes.push_back(' ');
        CHECK_FALSE(read_request(request));
    }
    // One key in both roles.
    CHECK_FALSE(
        make_request(p.id, "x", device.act_key, device.act_key, device.link_key.public_key, p.random));
    for (std::string name :
         {"", "a\nb", "\x1b[31m", "tab\t", "\xff", "\xc2\x9b", "\xe2\x80\xae", "\xe2\x81\xa6"})
        CHECK_FALSE(make_request(p.id, name, device.device_key, device.act_key, device.link_key.public_key,
                                 p.random));
    CHECK_FALSE(make_request(p.id, std::string(limits::name_bytes + 1, 'x'), device.device_key,
                             device.act_key, device.link_key.public_key, p.random));
}

TEST_CASE("bytes that are not exactly an entry are refused") {
    Person p(3);
    auto device = p.device("phone");
    const std::string good(as_text(signed_act(p, Rename{device.id(), "new"}).bytes));
    REQUIRE(readable(good));
    auto changed = [&](const std::string& from, const std::string& to) {
        auto text = good;
        const auto at = text.find(from);
        REQUIRE(at != std::string::npos);
        return text.replace(at, from.size(), to);
    };
    CHECK_FALSE(readable(changed("kith.roster.entry", "kith.device.request")));
    CHECK_FALSE(readable(changed("\"v\":1", "\"v\":2")));
    CHECK_FALSE(readable(changed("\"act\":\"rename\"", "\"act\":\"promote\"")));
    CHECK_FALSE(readable(changed("\"act\":\"rename\"", "\"act\":\"genesis\"")));
    CHECK_FALSE(readable(changed("\"signer\":\"recovery\"", "\"signer\":\"me\"")));
    CHECK_FALSE(readable(changed("\"counter\":2", "\"counter\":0")));
    CHECK_FALSE(readable(changed("\"counter\":2", "\"counter\":2,\"counter\":3")));
    CHECK_FALSE(readable(changed("\"counter\":2", "\"counter\":-2")));
    CHECK_FALSE(readable(changed("\"counter\":2", "\"counter\":2,\"extra\":3")));
    CHECK_FALSE(readable(changed(
        "\"heads\":[\"", "\"heads\":[\"" + std::string(64, '0') + "\",\"" + std::string(64, '0') + "\",\"")));
    CHECK_FALSE(readable(changed("\"heads\":[\"" + p.log[0].id.hex() + "\"]", "\"heads\":[]")));
    CHECK_FALSE(readable(changed("\"name\":\"new\"", "\"name\":\"a\\nb\"")));
    CHECK_FALSE(readable(""));
    CHECK_FALSE(readable("[]"));
    CHECK_FALSE(readable(good + "x"));
    CHECK_FALSE(readable(good + std::string(limits::roster_entry_bytes, ' ')));
}

TEST_CASE("a list of entries comes back from its bytes, and a cut one is refused") {
    Person p(4);
    auto laptop = p.first("laptop");
    const auto packed = pack_entries(p.log);
    auto again = unpack_entries(packed);
    REQUIRE(again);
    REQUIRE(again->size() == 2);
    CHECK((*again)[1].id == p.log[1].id);
    CHECK(unpack_entries({})->empty());
    const auto first = 4 + p.log[0].bytes.size() + Signature::size;
    for (std::size_t size = 1; size < packed.size(); ++size)
        if (size != first) CHECK_FALSE(unpack_entries(ByteView(packed).first(size)));
    CHECK_FALSE(unpack_entries(Bytes(100, 0xff)));

    const auto request = pack_request(laptop.request);
    CHECK(*unpack_request(request) == laptop.request);
    CHECK_FALSE(unpack_request(ByteView(request).first(128)));
    CHECK_FALSE(unpack_request(Bytes(128 + limits::roster_request_bytes + 1)));
}

TEST_CASE("the recovery sheet comes back however it is typed, and a typing mistake is noticed") {
    Person p(5);
    const auto sheet = encode_sheet({p.seed.copy(), hint_of(p.id)});
    const std::string text(as_text(sheet.view()));
    CHECK(text.starts_with("KITH-RECOVERY-"));
    CHECK(text.size() == 13 + 17 * 6);
    std::string typed = "\n  ";
    for (char c : text) {
        if (c == '-')
            typed += "  \n";
        else if (c == 'O')
            typed += '0';
        else if (c == 'I')
            typed += '1';
        else if (c == 'B')
            typed += '8';
        else
            typed += static_cast<char>(std::tolower(c));
    }
    auto read = decode_sheet(typed);
    REQUIRE(read);
    CHECK(read->seed == p.seed);
    CHECK(read->person == hint_of(p.id));
    for (std::size_t i = 14; i < text.size(); ++i) {
        if (text[i] == '-') continue;
        auto wrong = text, shorter = text;
        wrong[i] = text[i] == 'Q' ? 'R' : 'Q';
        shorter.erase(i, 1);
        CHECK(decode_sheet(wrong).error().what.find("typing mistake") != std::string::npos);
        CHECK(decode_sheet(shorter).error().what.find("too short") != std::string::npos);
        // Two neighbours that changed places.
        if (i + 1 < text.size() && text[i + 1] != '-' && text[i] != text[i + 1]) {
            auto swapped = text;
            std::swap(swapped[i], swapped[i + 1]);
            CHECK_FALSE(decode_sheet(swapped));
        }
    }
    CHECK(decode_sheet(text + "A").error().what.find("too long") != std::string::npos);
    CHECK(decode_sheet("hello").error().what.find("not a recovery sheet") != std::string::npos);
    CHECK(decode_sheet("KITH:ABC").error().what.find("offer") != std::string::npos);
    CHECK_FALSE(decode_sheet(std::string(1'000'000, 'A')));
}

TEST_CASE("the keys for accounts come from the seed alone, and differ from each other") {
    Person p(6);
    const auto keys = recovery_account_keys(p.seed);
    CHECK(keys.size() == recovery_account_key_count);
    CHECK(keys[7] == recovery_account_key(p.seed, 7).public_key());
    CHECK(keys[0] != keys[1]);
    CHECK(keys[0] != p.recovery.public_key());
    CHECK(make_genesis(p.seed).bytes == p.log[0].bytes);
}

TEST_CASE("the person of the vectors has the expected bytes, ids and devices") {
    const auto v = read_vectors("person.json");
    auto bytes = [&](const char* name) { return *from_hex(v.at(name).get<std::string>()); };
    const Bytes raw = bytes("seed");
    const Key seed{std::span<const std::uint8_t, 32>(raw)};
    const auto genesis = make_genesis(seed);
    CHECK(as_text(genesis.bytes) == v.at("genesis"));
    CHECK(genesis.signature.hex() == v.at("genesis_signature"));
    CHECK(genesis.id.hex() == v.at("person"));
    CHECK(as_text(encode_sheet({seed.copy(), hint_of(person_of(genesis.id))}).view()) == v.at("sheet"));
    CHECK(recovery_key(seed).public_key().hex() == v.at("recovery_key"));
    CHECK(identity_key(seed).public_key().hex() == v.at("identity_key"));
    CHECK(identity_of(seed).person() == person_of(genesis.id));
    CHECK(identity_of(genesis, identity_key(seed).public_key()) == identity_of(seed));
    CHECK_FALSE(identity_of(genesis, recovery_key(seed).public_key()));
    CHECK(recovery_account_key(seed, 0).public_key().hex() == v.at("account_key_0"));
    CHECK(recovery_account_key(seed, 255).public_key().hex() == v.at("account_key_255"));

    auto entries = unpack_entries(bytes("log"));
    REQUIRE(entries);
    auto state = fold(person_of(genesis.id), *entries);
    REQUIRE(state);
    CHECK(state->pending.empty());
    CHECK(state->refused.empty());
    REQUIRE(state->devices.size() == v.at("devices").size());
    for (std::size_t i = 0; i < state->devices.size(); ++i) {
        const auto& expected = v.at("devices")[i];
        const auto& device = state->devices[i];
        CHECK(device.id.hex() == expected.at("id"));
        CHECK(device.name == expected.at("name"));
        CHECK(device_state_name(device.state) == expected.at("state"));
        CHECK(device.act_key.hex() == expected.at("act"));
        CHECK((device.added_by ? device.added_by->hex() : "recovery") == expected.at("added_by"));
    }
}

TEST_CASE("the list of account keys holds under the recovery key that signed it, and changed in no bit") {
    REQUIRE(crypto::start());
    crypto::SystemRandom random;
    const Key seed = crypto::random_secret(random), other = crypto::random_secret(random);
    const auto list = signed_account_keys(seed);
    const auto keys = read_account_keys(list, recovery_key(seed).public_key());
    REQUIRE(keys);
    const auto expected = recovery_account_keys(seed);
    REQUIRE(keys->size() == expected.size() * SignPublic::size);
    CHECK(*SignPublic::from(ByteView(*keys).subspan(7 * SignPublic::size, SignPublic::size)) == expected[7]);
    CHECK_FALSE(read_account_keys(list, recovery_key(other).public_key()));
    // Somebody else's keys under the person's signature.
    auto planted = signed_account_keys(other);
    std::copy(list.end() - Signature::size, list.end(), planted.end() - Signature::size);
    CHECK_FALSE(read_account_keys(planted, recovery_key(seed).public_key()));
    for (std::size_t at = 0; at < list.size(); at += 97) {
        auto changed = list;
        changed[at] ^= 1;
        CHECK_FALSE(read_account_keys(changed, recovery_key(seed).public_key()));
    }
    CHECK_FALSE(read_account_keys(ByteView(list).first(list.size() - 1), recovery_key(seed).public_key()));
    CHECK_FALSE(read_account_keys({}, recovery_key(seed).public_key()));
}

#include "nearby/announcement.h"

#include <doctest/doctest.h>

#include <set>

#include "crypto/keys.h"
#include "nearby/backend.h"
#include "nearby/limits.h"

using namespace kith;
using namespace kith::nearby;

namespace {

crypto::SystemRandom system_random;

const Bytes v4{192, 0, 2, 7}, other{192, 0, 2, 8};
const Bytes v6{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};

Announcement an_offer() {
    Announcement offer;
    offer.addresses = {v4, v6};
    offer.server_key = crypto::LinkKey::generate(system_random).public_key;
    offer.port = 40123;
    return offer;
}

std::optional<Announcement> read(const std::vector<std::string>& strings) {
    return from_rdata(to_rdata(strings));
}

DeviceId a_device() {
    return crypto::random_id<DeviceId>(system_random);
}

}  // namespace

TEST_CASE("an offer's announcement comes back as it was written") {
    const auto offer = an_offer();
    const auto found = read(to_strings(offer));
    REQUIRE(found);
    CHECK(found->kind == Kind::offer);
    CHECK(found->addresses == offer.addresses);
    CHECK(found->server_key == offer.server_key);
    CHECK(found->port == offer.port);
}

TEST_CASE("an invitation's announcement is told from an offer's, and is read as strictly") {
    auto invitation = an_offer();
    invitation.kind = Kind::invitation;
    auto strings = to_strings(invitation);
    const auto found = read(strings);
    REQUIRE(found);
    CHECK(found->kind == Kind::invitation);
    CHECK(found->server_key == invitation.server_key);
    CHECK(found->port == invitation.port);
    std::erase_if(strings, [](const std::string& string) { return string.starts_with("key="); });
    CHECK_FALSE(read(strings));
}

TEST_CASE("as many addresses as an announcement takes still fit one string") {
    auto offer = an_offer();
    offer.addresses.assign(20, v6);
    const auto strings = to_strings(offer);
    for (const auto& string : strings) CHECK(string.size() <= 255);
    const auto found = read(strings);
    REQUIRE(found);
    CHECK(found->addresses.size() == limits::announcement_addresses);
}

TEST_CASE("strings of others do no harm, and a key that occurs twice is refused") {
    auto strings = to_strings(an_offer());
    strings.insert(strings.begin(), "org.example.cookie=7");
    strings.push_back("no value");
    strings.push_back("");
    CHECK(read(strings));
    strings.push_back("port=1");
    CHECK_FALSE(read(strings));
}

TEST_CASE("what is malformed is none of ours") {
    const auto good = to_strings(an_offer());
    const auto with = [&](const std::string& key, const std::string& value) {
        auto strings = good;
        for (auto& string : strings)
            if (string.starts_with(key + "=")) string = key + "=" + value;
        return read(strings);
    };
    REQUIRE(with("port", "40123"));
    for (const auto* port : {"0", "65536", "-1", "", "12a", " 12"}) CHECK_FALSE(with("port", port));
    for (const auto* key : {"", "00", "zz"}) CHECK_FALSE(with("key", key));
    for (const auto* at : {"", "04c00002", "05c0000207", "04c00002070"}) CHECK_FALSE(with("at", at));
    for (const auto* version : {"", "one", "1 ", "-1", "\x1b[2J"}) CHECK_FALSE(with("v", version));
    CHECK_FALSE(from_rdata({}));
    auto cut = to_rdata(good);
    cut.pop_back();
    CHECK_FALSE(from_rdata(cut));
}

TEST_CASE("an announcement of another version, or of a kind that came later, is known as such") {
    auto strings = to_strings(an_offer());
    strings[0] = "v=2";
    CHECK(read(strings)->kind == Kind::newer);
    CHECK(read({"v=17"})->kind == Kind::newer);
    strings = to_strings(an_offer());
    strings[1] = "kind=party";
    CHECK(read(strings)->kind == Kind::newer);
}

TEST_CASE("too much data is not looked at") {
    auto strings = to_strings(an_offer());
    for (std::size_t i = 0; i < limits::announcement_strings; ++i) strings.push_back("x=1");
    CHECK_FALSE(read(strings));
    strings = to_strings(an_offer());
    for (int i = 0; i < 6; ++i) strings.push_back("x=" + std::string(250, 'x'));
    CHECK_FALSE(read(strings));
}

TEST_CASE(
    "a tag opens for who has the person's secret, and only with the name and addresses it was made for") {
    const auto secret = crypto::random_secret(system_random), another = crypto::random_secret(system_random);
    const Presence made{a_device(), 40123, 1'790'000'000'000};
    const auto name = random_name(system_random);
    const std::vector<Bytes> addresses{v4, v6};
    const auto tag = make_tag(tag_key(secret), made, name, addresses, system_random);
    const auto opened = open_tag(tag_key(secret), tag, name, addresses);
    REQUIRE(opened);
    CHECK(opened->device == made.device);
    CHECK(opened->port == made.port);
    CHECK(opened->unix_ms == made.unix_ms);
    CHECK_FALSE(open_tag(tag_key(another), tag, name, addresses));
    CHECK_FALSE(open_tag(tag_key(secret), tag, random_name(system_random), addresses));
    CHECK_FALSE(open_tag(tag_key(secret), tag, name, {v4}));
    CHECK_FALSE(open_tag(tag_key(secret), tag, name, {other, v6}));
    auto changed = tag;
    changed[30] ^= 1;
    CHECK_FALSE(open_tag(tag_key(secret), changed, name, addresses));
    CHECK_FALSE(open_tag(tag_key(secret), {}, name, addresses));
}

TEST_CASE("two announcements of one device hold nothing that is equal in both but constants") {
    const auto secret = crypto::random_secret(system_random);
    const auto device = a_device();
    const auto announce = [&](const Bytes& address) {
        const auto name = random_name(system_random);
        Announcement announcement;
        announcement.kind = Kind::device;
        announcement.addresses = {address};
        announcement.tag =
            make_tag(tag_key(secret), {device, 40123, 1'790'000'000'000}, name, {address}, system_random);
        const auto strings = to_strings(announcement);
        REQUIRE(read(strings));
        return strings;
    };
    const auto first = announce(v4), second = announce(other);
    for (const auto& string : first)
        for (const auto& same : second)
            if (string == same) CHECK((string == "v=1" || string == "kind=device"));
}

TEST_CASE("names are random, and nothing else is a name") {
    std::set<std::string> names;
    for (int i = 0; i < 100; ++i) {
        const auto name = random_name(system_random);
        CHECK(is_name(name));
        names.insert(name);
    }
    CHECK(names.size() == 100);
    for (const auto* text : {"", "short", "ABCDEFGHIJKLMNOP", "abcdefghijklmno\n", "abcdefghijklmno.",
                             "abcdefghijklmnopq", "abcdefghijklmno1"})
        CHECK_FALSE(is_name(text));
}

TEST_CASE("the words come from the key alone, and are read however they are typed") {
    const auto key = crypto::LinkKey::generate(system_random).public_key;
    const auto words = words_of(key);
    CHECK(words == words_of(key));
    CHECK(plain_words(words) == words);
    CHECK(plain_words("  Amber--FALCON ") == "amber falcon");
    CHECK(plain_words("amber_falcon") == "amber falcon");
    CHECK(plain_words("").empty());
    // Computed apart from this code.
    const auto fixed =
        *LinkPublic::from_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    CHECK(words_of(fixed) == "fancy jasmine");
}

TEST_CASE("ways to discover are chosen by name") {
    CHECK(parse_options("automatic")->way == Way::automatic);
    CHECK_FALSE(parse_options("automatic")->loopback);
    CHECK(parse_options("embedded,loopback")->loopback);
    CHECK(parse_options("dns-sd")->way == Way::dns_sd);
    for (const auto* text : {"", "loopback", "daemon,", "daemon,lo", "Daemon"})
        CHECK_FALSE(parse_options(text));
}

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "stick/payload.h"
#include "stick/request.h"

using namespace kith;

namespace {

using Json = nlohmann::json;

struct Device {
    crypto::SystemRandom random;
    crypto::LinkKey key = crypto::LinkKey::generate(random);
    crypto::SignKey sign{crypto::random_secret(random)}, act{crypto::random_secret(random)};

    stick::Request request(const PersonId& person = {}) {
        stick::Request request;
        request.key = key.public_key;
        request.device = *roster::make_request(person, "new", sign, act, key.public_key, random);
        return request;
    }
};

const bool started = crypto::start();

Json vectors() {
    std::ifstream file(std::string(KITH_VECTORS) + "/stick/vectors.json");
    return Json::parse(file);
}
Bytes bytes_of(const Json& hex) {
    return *from_hex(hex.get<std::string>());
}

// A payload of these frames, message by message, and what it begins with.
struct Payload {
    Bytes start;
    std::vector<Bytes> messages;  // without their lengths
};
Payload sealed(const LinkPublic& to, const std::vector<wire::Frame>& frames) {
    crypto::SystemRandom random;
    stick::Sealer sealer(to, random);
    Payload payload{sealer.start(), {}};
    for (std::size_t i = 0; i < frames.size(); ++i) {
        const auto message = sealer.seal(frames[i], i + 1 == frames.size());
        CHECK(stick::Opener::read_length(ByteView(message).first(4)) == message.size() - 4);
        payload.messages.emplace_back(message.begin() + 4, message.end());
    }
    return payload;
}

}  // namespace

TEST_CASE("requests, fingerprints and payloads are read as the second implementation writes them") {
    REQUIRE(started);
    const auto all = vectors();
    const auto& v = all.at("request");
    const auto bytes = bytes_of(v.at("bytes"));
    const auto fingerprint = stick::fingerprint_of(bytes);
    CHECK(fingerprint.hex() == v.at("fingerprint"));
    CHECK(stick::to_text(fingerprint) == v.at("text"));
    CHECK(stick::open_request(bytes_of(v.at("file")), fingerprint) == bytes);
    auto request = stick::decode_request(bytes);
    REQUIRE(request);
    CHECK(request->accounts == std::vector<std::string>{"example.org", "mail"});
    CHECK(request->since_ms == 1700000000000);
    CHECK(request->largest == 1000000);
    CHECK(request->device.id().hex() == v.at("device"));
    CHECK(roster::read_request(request->device)->person.is_zero());
    for (const auto& item : all.at("texts").get<std::vector<std::pair<std::string, std::string>>>()) {
        const auto& [text, outcome] = item;
        INFO(item.first);
        auto read = stick::read_fingerprint(text);
        CHECK(read.has_value() == (outcome == "good"));
        if (read) CHECK(*read == fingerprint);
        if (outcome == "length") CHECK(read.error().what.find("24") != std::string::npos);
        if (outcome == "typing mistake") CHECK(read.error().what.find("mistake") != std::string::npos);
    }

    const auto& p = all.at("payload");
    const auto payload = bytes_of(p.at("bytes"));
    const auto secret = bytes_of(v.at("key_secret"));
    const auto key = crypto::LinkKey::from_secret(Key(std::span<const std::uint8_t, 32>(secret)));
    CHECK(key.public_key == request->key);
    const auto start = ByteView(payload).first(stick::start_bytes);
    auto opener = stick::Opener::open(start, key);
    REQUIRE(opener);
    std::size_t at = stick::start_bytes;
    for (const auto& [head, body] : p.at("frames").get<std::vector<std::pair<std::string, std::string>>>()) {
        auto length = stick::Opener::read_length(ByteView(payload).subspan(at, 4));
        REQUIRE(length);
        auto opened = opener->open_next(ByteView(payload).subspan(at + 4, *length));
        at += 4 + *length;
        REQUIRE(opened);
        CHECK(opened->frame.head == head);
        CHECK(to_hex(opened->frame.body) == body);
        CHECK(opened->last == (at == payload.size()));
        if (head.find("payload") == std::string::npos) continue;
        auto statement = stick::read_statement(opened->frame.body);
        REQUIRE(statement);
        CHECK(statement->device.hex() == p.at("host"));
        CHECK(statement->request == stick::hash_of(bytes));
        CHECK(statement->start == crypto::hash(start));
        CHECK(to_hex(statement->introduction) == p.at("introduction"));
        CHECK(statement->signed_by(*SignPublic::from(bytes_of(p.at("host_key")))));
        CHECK_FALSE(statement->signed_by(SignPublic{}));
    }
}

TEST_CASE("a request is opened by its own fingerprint alone, and no bit of it can be changed") {
    Device device;
    auto making = device.request();
    making.accounts = {"mail"};
    making.largest = 5;
    const auto bytes = stick::encode_request(making);
    auto file = stick::seal_request(bytes, device.random);
    CHECK(as_text(file).find("new") == std::string_view::npos);
    const auto fingerprint = stick::fingerprint_of(bytes);
    REQUIRE(stick::open_request(file, fingerprint) == bytes);
    CHECK(stick::decode_request(bytes)->accounts == making.accounts);
    CHECK_FALSE(stick::decode_request(bytes)->since_ms);

    auto other = fingerprint;
    other.bytes[11] ^= 1;
    auto refused = stick::open_request(file, other);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == Fault::refused);
    for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
        file[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
        CHECK_FALSE(stick::open_request(file, fingerprint));
        file[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    }
    // Somebody else's, in its place.
    Device thief;
    const auto theirs = stick::encode_request(thief.request());
    CHECK_FALSE(stick::open_request(stick::seal_request(theirs, thief.random), fingerprint));
}

TEST_CASE("a request that is not signed by its device's keys, or says more than is known, is none") {
    Device device;
    auto making = device.request();
    making.device.by_act.bytes[0] ^= 1;
    CHECK_FALSE(stick::decode_request(stick::encode_request(making)));
    making = device.request();
    auto bytes = stick::encode_request(making);
    REQUIRE(stick::decode_request(bytes));
    // One made for a person stands in that person's roster, for many to copy.
    PersonId person;
    person.bytes[0] = 1;
    CHECK_FALSE(stick::decode_request(stick::encode_request(device.request(person))));
    const auto size = load_u32(bytes.data());
    auto head = Json::parse(bytes.begin() + 4, bytes.begin() + 4 + size);
    head["more"] = 1;
    const auto text = head.dump();
    Bytes changed;
    append_u32(changed, static_cast<std::uint32_t>(text.size()));
    append(changed, text);
    append(changed, ByteView(bytes).subspan(4 + size));
    CHECK_FALSE(stick::decode_request(changed));
    for (std::size_t cut = 0; cut < bytes.size(); cut += 7)
        CHECK_FALSE(stick::decode_request(ByteView(bytes).first(cut)));
}

TEST_CASE("a payload is opened by the one-use key alone, in order, to its end") {
    Device device;
    const std::vector<wire::Frame> frames{
        {"{\"op\":\"a\"}", Bytes(1000, 7)}, {"{\"op\":\"b\"}", {}}, {"{}", Bytes(1, 1)}};
    const auto payload = sealed(device.key.public_key, frames);
    CHECK(payload.start.size() == stick::start_bytes);
    auto opener = stick::Opener::open(payload.start, device.key);
    REQUIRE(opener);
    for (std::size_t i = 0; i < frames.size(); ++i) {
        auto opened = opener->open_next(payload.messages[i]);
        REQUIRE(opened);
        CHECK(opened->frame.head == frames[i].head);
        CHECK(opened->frame.body == frames[i].body);
        CHECK(opened->last == (i + 1 == frames.size()));
    }
    // A third device.
    auto third = stick::Opener::open(payload.start, crypto::LinkKey::generate(device.random));
    REQUIRE_FALSE(third);
    CHECK(third.error().kind == Fault::refused);
    // One left out, or repeated.
    auto skipping = stick::Opener::open(payload.start, device.key);
    CHECK(skipping->open_next(payload.messages[1]).error().kind == Fault::corrupt);
    auto repeating = stick::Opener::open(payload.start, device.key);
    REQUIRE(repeating->open_next(payload.messages[0]));
    CHECK_FALSE(repeating->open_next(payload.messages[0]));
}

TEST_CASE("every single bit of a payload counts") {
    Device device;
    auto payload = sealed(device.key.public_key, {{"{\"op\":\"end\"}", Bytes(20, 3)}});
    const auto opens = [&] {
        auto opener = stick::Opener::open(payload.start, device.key);
        return opener && opener->open_next(payload.messages[0]).has_value();
    };
    REQUIRE(opens());
    for (auto* bytes : {&payload.start, &payload.messages[0]})
        for (std::size_t bit = 0; bit < bytes->size() * 8; ++bit) {
            (*bytes)[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
            CHECK_FALSE(opens());
            (*bytes)[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
        }
}

TEST_CASE("a message longer than any is refused before it is read") {
    Bytes length;
    append_u32(length, UINT32_MAX);
    CHECK(stick::Opener::read_length(length).error().kind == Fault::corrupt);
}

TEST_CASE("a statement holds for one stream, one request and one introduction") {
    Device host;
    const Bytes start(stick::start_bytes, 1), introduction(10, 2);
    const auto request = crypto::hash(as_bytes("request"));
    const auto body = stick::make_statement(DeviceId{}, host.sign, start, request, introduction);
    auto statement = stick::read_statement(body);
    REQUIRE(statement);
    CHECK(statement->signed_by(host.sign.public_key()));
    CHECK_FALSE(statement->signed_by(host.act.public_key()));
    CHECK(statement->introduction == introduction);
    // Whatever is changed: no statement, or none that is signed.
    for (std::size_t bit = 0; bit < body.size() * 8; ++bit) {
        auto changed = body;
        changed[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
        auto read = stick::read_statement(changed);
        CHECK_FALSE((read && read->signed_by(host.sign.public_key())));
    }
}

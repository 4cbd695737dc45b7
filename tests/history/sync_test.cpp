#include <doctest/doctest.h>

#include <random>

#include "base/limits.h"
#include "history/batch.h"
#include "memory_set.h"
#include "wire/fields.h"

using namespace kith;
using namespace kith::history;

namespace {

// One side: a set, its pullers, and the server of the other side's.
struct Side {
    MemorySet set;
    Selection selection;
    RecordPuller records{set};
    BlobPuller blobs{set};
    SyncServer server{set, set};
    std::deque<wire::Frame> outbox;
    bool records_done = false, blobs_done = false;
    std::uint64_t batches = 0, absent = 0, pieces = 0;
    std::vector<history::Key> order;

    void take(RecordPuller::Actions actions) {
        REQUIRE_MESSAGE(actions, actions.error().what);
        for (auto& action : *actions) {
            if (auto* send = std::get_if<RecordPuller::Send>(&action))
                outbox.push_back(std::move(send->frame));
            if (auto* store = std::get_if<RecordPuller::Store>(&action)) {
                ++batches;
                for (auto& arrived : store->records) {
                    order.push_back(arrived.stored.key);
                    set.take(arrived);
                }
                take(records.stored());
            }
            if (std::get_if<RecordPuller::Finished>(&action)) records_done = true;
        }
    }
    void take(BlobPuller::Step step) {
        REQUIRE_MESSAGE(step, step.error().what);
        for (auto& frame : step->send) outbox.push_back(std::move(frame));
        blobs_done = blobs_done || step->finished;
        absent += step->absent;
        pieces += step->bytes > 0;
    }
    template <class Kind>
    static Kind read(std::string_view op, wire::Fields& head, const Bytes& body) {
        Packer packer;
        auto arrival = read_arrival(op, head, body, packer);
        REQUIRE_MESSAGE(arrival, arrival.error().what);
        return std::get<Kind>(std::move(*arrival));
    }
    void receive(const wire::Frame& frame) {
        auto head = wire::Fields::parse(frame.head);
        auto op = head.text("op", 32);
        if (op == "sync.parts")
            take(records.on_parts(head, frame.body));
        else if (op == "sync.batch")
            take(records.on_batch(read<BatchArrival>(op, head, frame.body)));
        else if (op == "sync.hashes")
            take(blobs.on_hashes(head, frame.body));
        else if (op == "sync.piece")
            take(blobs.on_piece(read<PieceArrival>(op, head, frame.body)));
        else
            REQUIRE(server.on_frame(op, head, frame.body));
    }
};

// Carries frames until both are quiet or `max` have crossed; true when quiet.
bool carry(Side& a, Side& b, std::size_t max = SIZE_MAX) {
    for (std::size_t crossed = 0; crossed < max;) {
        bool moved = false;
        for (auto [from, to] : {std::pair(&a, &b), std::pair(&b, &a)}) {
            if (from->server.has_work()) {
                auto frame = from->server.work();
                REQUIRE(frame);
                if (*frame) from->outbox.push_back(std::move(**frame));
            }
            if (from->outbox.empty()) continue;
            auto frame = std::move(from->outbox.front());
            from->outbox.pop_front();
            to->receive(frame);
            moved = true;
            ++crossed;
        }
        if (!moved && !a.server.has_work() && !b.server.has_work()) return true;
    }
    return false;
}

void cut_link(Side& a, Side& b) {
    for (auto* side : {&a, &b}) {
        side->records.stop();
        side->blobs.stop();
        side->server.stop();
        side->outbox.clear();
    }
}

void pull(Side& to, Side& from) {
    to.take(to.records.start(to.selection, from.set.rows.size()));
    REQUIRE(carry(to, from));
    CHECK(to.records.idle());
}

void fill(MemorySet& set, std::mt19937_64& random, std::size_t count, std::uint64_t spread) {
    for (std::size_t i = 0; i < count; ++i)
        set.add(text_record("mail", random() % spread,
                            std::string(random() % 3000, 'x') + std::to_string(random())));
}

}  // namespace

TEST_CASE("an empty side pulls everything, newest first, in batches") {
    std::mt19937_64 random(1);
    Side old_device, fresh;
    fill(old_device.set, random, 3000, 1000000);
    pull(fresh, old_device);
    CHECK(fresh.set.rows == old_device.set.rows);
    CHECK(std::is_sorted(fresh.order.rbegin(), fresh.order.rend()));
    CHECK(fresh.batches > 2);
}

TEST_CASE("two sides that differ end with the union, whatever the difference") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        std::mt19937_64 random(seed);
        Side a, b;
        MemorySet common;
        fill(common, random, random() % 2000, seed % 3 == 0 ? 1 : 1000000);
        a.set.rows = b.set.rows = common.rows;
        fill(a.set, random, random() % 50, 1000000);
        fill(b.set, random, random() % 50, 1000000);
        pull(a, b);
        pull(b, a);
        CHECK(a.set.rows == b.set.rows);
    }
}

TEST_CASE("equal sides exchange one question and one answer") {
    std::mt19937_64 random(3);
    Side a, b;
    fill(a.set, random, 1000, 1000000);
    b.set.rows = a.set.rows;
    a.take(a.records.start({}, 1000));
    CHECK(carry(a, b, 3));
    CHECK(a.records_done);
    CHECK(a.batches == 0);
}

TEST_CASE("a pull that is cut anywhere goes on and repeats at most the batches on the way") {
    for (std::size_t at = 1; at < 40; at += 3) {
        CAPTURE(at);
        std::mt19937_64 random(at);
        Side old_device, fresh;
        fill(old_device.set, random, 3000, 1000000);
        fresh.take(fresh.records.start({}, 1000000));
        if (!carry(fresh, old_device, at)) cut_link(fresh, old_device);
        auto before = fresh.order.size();
        pull(fresh, old_device);
        CHECK(fresh.set.rows == old_device.set.rows);
        CHECK(fresh.order.size() == old_device.set.rows.size());  // nothing that was stored came twice
        CHECK(before <= fresh.order.size());
    }
}

TEST_CASE("records that arrive at the peer during a pull come with the next one") {
    std::mt19937_64 random(5);
    Side old_device, fresh;
    fill(old_device.set, random, 2000, 1000000);
    fresh.take(fresh.records.start({}, 1000000));
    carry(fresh, old_device, 3);
    old_device.set.add(text_record("message", 2000000, "late"));
    old_device.set.add(text_record("message", 1, "early"));
    REQUIRE(carry(fresh, old_device));
    pull(fresh, old_device);
    CHECK(fresh.set.rows == old_device.set.rows);
}

TEST_CASE("blobs come in pieces, and go on with the missing pieces after a cut") {
    Side old_device, fresh;
    std::mt19937_64 random(7);
    Bytes large(limits::blob_piece * 12 + 100);
    for (auto& byte : large) byte = static_cast<std::uint8_t>(random());
    Record record{"mail", {}, 9, {}};
    for (const Bytes& bytes : {large, Bytes(70000, 1), Bytes(80000, 2)}) {
        auto id = old_device.set.add_blob(bytes);
        record.parts.push_back({true, {}, id, bytes.size()});
    }
    old_device.set.add(record);
    pull(fresh, old_device);
    fresh.take(fresh.blobs.start(UINT64_MAX));
    REQUIRE_FALSE(carry(fresh, old_device, 12));
    cut_link(fresh, old_device);
    std::size_t pieces_before = fresh.set.blobs.size();
    for (const auto& [id, partial] : fresh.set.partial) pieces_before += partial.second.size();
    CHECK(pieces_before > 0);
    auto crossed_before = fresh.pieces;
    fresh.take(fresh.blobs.start(UINT64_MAX));
    REQUIRE(carry(fresh, old_device));
    CHECK(fresh.pieces - crossed_before == 15 - pieces_before);  // no piece that was stored came twice
    CHECK(fresh.blobs_done);
    CHECK(fresh.set.blobs == old_device.set.blobs);
}

TEST_CASE("a blob that the peer lacks is reported and not waited for") {
    Side old_device, fresh;
    Record record{"mail", {}, 9, {}};
    record.parts.push_back({true, {}, BlobId{crypto::hash(as_bytes("gone"))}, 70000});
    old_device.set.add(record);
    pull(fresh, old_device);
    fresh.take(fresh.blobs.start(UINT64_MAX));
    REQUIRE(carry(fresh, old_device));
    CHECK(fresh.blobs_done);
    CHECK(fresh.absent == 1);
}

TEST_CASE("a peer that sends what was not asked for is refused") {
    std::mt19937_64 random(11);
    Side fresh, old_device;
    fill(fresh.set, random, 10, 1000);
    fill(old_device.set, random, 5, 1000);
    fresh.take(fresh.records.start({}, 1000000));
    carry(fresh, old_device, 2);  // keys are known, a stream is open
    auto foreign = text_record("mail", 77, "foreign");
    auto canonical = encode(foreign);
    Packer packer;
    auto batch = encode_batch({plain_record(key_of(foreign, canonical), {}, canonical)}, packer);
    auto head =
        wire::Fields::parse(R"({"op":"sync.batch","stream":2,"count":1,"packed":false,"end":true,"raw":)" +
                            std::to_string(batch.raw) + "}");
    auto taken = fresh.records.on_batch(Side::read<BatchArrival>("sync.batch", head, batch.body));
    REQUIRE_FALSE(taken);
    CHECK(taken.error().what == "sync.batch with a record that was not asked for");
}

TEST_CASE("a peer that asks for more than it may is refused") {
    MemorySet set;
    SyncServer server(set, set);
    auto ask = [&](std::string text, const Bytes& body) {
        auto head = wire::Fields::parse(text);
        auto op = head.text("op", 32);
        return server.on_frame(op, head, body).has_value();
    };
    Bytes range;
    append_key(range, Range::all().from);
    append_key(range, Range::all().to);
    CHECK(ask(R"({"op":"sync.fetch","stream":1,"credit":2})", range));
    CHECK_FALSE(ask(R"({"op":"sync.fetch","stream":1,"credit":1})", range));
    CHECK_FALSE(ask(R"({"op":"sync.fetch","stream":2,"credit":4})", range));
    CHECK_FALSE(ask(R"({"op":"sync.more","stream":1,"credit":9007199254740991})", {}));
    CHECK_FALSE(ask(R"({"op":"sync.fetch","stream":2,"credit":1})", Bytes(79)));
    CHECK_FALSE(ask(
        R"({"op":"sync.pieces","blob":")" + std::string(64, '0') + R"(","first":0,"count":1000000})", {}));
    CHECK_FALSE(ask(R"({"op":"sync.nonsense"})", {}));
}

TEST_CASE("batches that unpack to more than they may are refused before they are unpacked") {
    Packer packer;
    Bytes bomb = to_bytes(*packer.pack(Bytes(64 * 1024 * 1024)));
    CHECK(bomb.size() < 100000);
    CHECK_FALSE(decode_batch(bomb, {{}, 1, 1000, true}, packer));
    CHECK_FALSE(decode_batch(bomb, {{}, 1, 64 * 1024 * 1024, true}, packer));
    // Many records, each within its limit.
    Bytes body;
    Bytes large = to_bytes(*packer.pack(Bytes(limits::record_bytes)));
    for (int i = 0; i < 40; ++i) {
        body.push_back(1);
        append_u32(body, limits::record_bytes);
        append_u32(body, static_cast<std::uint32_t>(large.size()));
        append(body, large);
    }
    auto many = decode_batch(body, {{}, 40, body.size(), false}, packer);
    REQUIRE_FALSE(many);
    // The first of them is no record at all, which is told first; were all records, the sum would tell.
    Record record = text_record("mail", 1, std::string(limits::record_bytes - 100, 'x'));
    Bytes canonical = encode(record);
    large = to_bytes(*packer.pack(canonical));
    body.clear();
    for (int i = 0; i < 40; ++i) {
        body.push_back(1);
        append_u32(body, static_cast<std::uint32_t>(canonical.size()));
        append_u32(body, static_cast<std::uint32_t>(large.size()));
        append(body, large);
    }
    many = decode_batch(body, {{}, 40, body.size(), false}, packer);
    REQUIRE_FALSE(many);
    CHECK(many.error().what == "sync.batch that unpacks to too much");
}

TEST_CASE("what a selection leaves out comes as its key, compares equal, and comes whole when it is chosen") {
    std::mt19937_64 random(13);
    Side old_device, fresh;
    AccountId one, two;
    one.bytes[0] = 1;
    two.bytes[0] = 2;
    for (std::uint64_t i = 0; i < 600; ++i) {
        auto record = text_record(i % 50 == 0 ? "contact" : "message", random() % 100000, std::to_string(i));
        record.account = i % 2 == 0 ? one : two;
        old_device.set.add(record);
    }
    fresh.selection.accounts = {one};
    fresh.selection.since_ms = 50000;
    pull(fresh, old_device);
    CHECK(*fresh.set.fingerprint(Range::all()) == *old_device.set.fingerprint(Range::all()));
    CHECK(fresh.set.stubs.size() > 100);
    for (const auto& [key, canonical] : fresh.set.rows) {
        auto record = *decode(old_device.set.rows.at(key));
        bool taken = record.kind == "contact" || (record.account == one && record.time_ms >= 50000);
        CHECK(fresh.set.stubs.contains(key) == !taken);
    }
    // Nothing more to do with the same selection.
    auto order = fresh.order.size();
    pull(fresh, old_device);
    CHECK(fresh.order.size() == order);
    fresh.selection = {};
    pull(fresh, old_device);
    CHECK(fresh.set.rows == old_device.set.rows);
    CHECK(fresh.set.stubs.empty());
}

TEST_CASE("what a peer left out itself stays wanted, and comes from another that has it") {
    Side whole, half, fresh;
    for (std::uint64_t i = 0; i < 100; ++i) whole.set.add(text_record("mail", i, std::to_string(i)));
    half.selection.since_ms = 60;
    pull(half, whole);
    pull(fresh, half);
    CHECK(fresh.set.rows.size() == 100);
    CHECK(fresh.set.stubs.size() == 60);
    pull(fresh, whole);
    CHECK(fresh.set.rows == whole.set.rows);
}

#include "store/fault_steps.h"

#include "base/limits.h"
#include "crypto/hash.h"

namespace kith::store::test {
namespace {

// Bytes that hardly pack, and differ from those of another number by their beginning.
Bytes noise(std::uint64_t number, std::size_t size) {
    static const Bytes pool = [] {
        Bytes bytes(1 << 16);
        SeededRandom(1).fill(bytes);
        return bytes;
    }();
    Bytes bytes;
    append_u64(bytes, number);
    append(bytes, ByteView(pool).subspan(number * 37 % (pool.size() / 2), size));
    return bytes;
}

history::BlobHasher::Named name(ByteView whole) {
    history::BlobHasher hasher;
    for (std::size_t at = 0; at < whole.size(); at += limits::blob_piece)
        hasher.add(whole.subspan(at, std::min<std::size_t>(limits::blob_piece, whole.size() - at)));
    return hasher.finish();
}

// A blob that differs from each other one.
Bytes blob_of(std::uint64_t number) {
    return noise(number, 1 + number * 7919 % 20000);
}

NewRecord message(std::uint64_t number, std::string_view text) {
    history::Record record;
    record.kind = history::kind::message;
    record.account = account_id;
    record.time_ms = 1'700'000'000'000 + number;
    record.parts.push_back(inline_part(text));
    // Each id twice: the second one conflicts.
    return new_record(std::move(record), {"somebody", "", true, "m" + std::to_string(number / 2)});
}

// A batch that differs from each other one: short and long mails, a message, a mail with a blob.
std::vector<NewRecord> batch_of(std::uint64_t number, std::size_t count) {
    SeededRandom random(number);
    std::vector<NewRecord> batch;
    for (std::size_t i = 0; i < count; ++i) {
        const auto text = std::to_string(number) + "." + std::to_string(i) + " " +
                          to_hex(noise(number * 1000 + i, random.below(10) == 0 ? 9000 : random.below(400)));
        batch.push_back(mail(1'600'000'000'000 + random.below(100'000'000'000), text));
    }
    batch.push_back(message(number, std::to_string(number)));
    history::Record with_blob;
    with_blob.kind = history::kind::mail;
    with_blob.time_ms = 1'650'000'000'000 + number;
    const auto blob = blob_of(number);
    with_blob.parts.push_back(blob_part(name(blob).id, blob.size()));
    batch.push_back(new_record(std::move(with_blob), {"somebody", "with a file", true, ""}));
    return batch;
}

void expect(State& state, const std::vector<NewRecord>& batch) {
    for (const auto& item : batch) {
        state["record/" + item.stored.key.id.hex()] = as_text(item.stored.bytes);
        for (const auto& part : item.record.parts)
            if (part.is_blob) state["names/" + part.blob.hex()] = std::to_string(part.size);
    }
}

// A post is sent on, an older one is done with.
Step outbox_step() {
    return {"work on the outbox", [](Store& store, State& next) -> Result<> {
                KITH_TRY_VALUE(posts, store.kept->asked(account_id));
                KITH_TRY_VALUE(tx, Transaction::begin(*store.db));
                if (!posts.empty()) {
                    const auto last = std::string(as_text(posts.back().head));
                    next["post/" + last] = "sent";
                    KITH_TRY(store.kept->set_asked(posts.back().id, "sent"));
                }
                if (posts.size() > 1) {
                    next.erase("post/" + std::string(as_text(posts.front().head)));
                    KITH_TRY(store.kept->remove_asked(posts.front().id));
                }
                return tx.commit();
            }};
}

// Batches and rows that stand or fall together.
Step together_step(std::uint64_t number) {
    return {"two batches and a setting in one transaction", [=](Store& store, State& next) -> Result<> {
                const auto one = batch_of(number, 3), two = batch_of(number + 1, 2);
                expect(next, one);
                expect(next, two);
                next["setting/cursor"] = std::to_string(number);
                KITH_TRY_VALUE(tx, Transaction::begin(*store.db));
                KITH_TRY(store.history->add(one));
                KITH_TRY(store.kept->put_setting("cursor", as_bytes(std::to_string(number))));
                KITH_TRY(store.history->add(two));
                return tx.commit();
            }};
}

// Goes on after a batch failed: then the transaction fails as a whole, or holds what did not fail.
Step careless_step(std::uint64_t number) {
    return {"a batch whose failure is ignored", [=](Store& store, State& next) -> Result<> {
                KITH_TRY_VALUE(tx, Transaction::begin(*store.db));
                KITH_TRY(store.kept->put_setting("careless", as_bytes(std::to_string(number))));
                next["setting/careless"] = std::to_string(number);
                const auto batch = batch_of(number, 2);
                if (store.history->add(batch)) expect(next, batch);
                return tx.commit();
            }};
}

Step abandoned_step(std::uint64_t number) {
    return {"a transaction that is abandoned", [=](Store& store, State&) -> Result<> {
                KITH_TRY_VALUE(tx, Transaction::begin(*store.db));
                KITH_TRY(store.history->add(batch_of(number, 4)));
                return {};
            }};
}

Step checkpoint_step() {
    return {"empty the log", [](Store& store, State&) { return store.db->checkpoint(); }};
}

Result<> receive(Store& store, ByteView blob) {
    const auto named = name(blob);
    const auto& id = named.id;
    KITH_TRY(store.blobs->begin(id, blob.size(), named.piece_hashes));
    KITH_TRY_VALUE(missing, store.blobs->missing_pieces(id, 1000));
    for (auto index : missing)
        KITH_TRY(store.blobs->put_piece(
            id, index, blob.subspan(index * limits::blob_piece, history::piece_size(blob.size(), index))));
    return store.blobs->finish(id);
}

Step receive_bytes_step(Bytes blob) {
    return {"receive a blob", [blob = std::move(blob)](Store& store, State& next) -> Result<> {
                next["blob/" + name(blob).id.hex()] = as_text(blob);
                return receive(store, blob);
            }};
}

Step tidy_step() {
    return {"remove blobs that nothing names", [](Store& store, State& next) -> Result<> {
                for (auto at = next.begin(); at != next.end();)
                    at = at->first.starts_with("blob/") && !next.contains("names/" + at->first.substr(5))
                             ? next.erase(at)
                             : std::next(at);
                KITH_TRY(store.blobs->remove_unreferenced());
                return {};
            }};
}

}  // namespace

Step add_step(std::uint64_t number, std::size_t count) {
    return {"add a batch", [=](Store& store, State& next) -> Result<> {
                const auto batch = batch_of(number, count);
                expect(next, batch);
                KITH_TRY(store.history->add(batch));
                return {};
            }};
}

Step profile_step(std::uint64_t number) {
    return {
        "write rows of the profile", [=](Store& store, State& next) -> Result<> {
            const auto text = std::to_string(number);
            const auto body = to_bytes("body " + text);
            next["entry/" + text] = as_text(body);
            next["job/host"] = text;
            next["setting/word"] = text;
            next["account"] = "=somewhere";
            next["post/" + text] = "waiting";
            KITH_TRY_VALUE(tx, Transaction::begin(*store.db));
            KITH_TRY(store.kept->add_entry({*EntryId::from(crypto::hash(body)), body, to_bytes("signed")}));
            KITH_TRY(store.kept->put_job({"host", {}, text, 1, 0, number, 0}));
            KITH_TRY(store.kept->put_setting("word", as_bytes(text)));
            KITH_TRY_VALUE(known, store.kept->account(account_id));
            if (!known)
                KITH_TRY(store.kept->put_account({account_id, "=somewhere", "id", {}, "", "", "u", "on"}));
            KITH_TRY(store.kept->ask({0, account_id, to_bytes(text), {}, "waiting", 1, {}}));
            return tx.commit();
        }};
}

Step write_blob_step(std::uint64_t number) {
    return {"write a blob", [=](Store& store, State& next) -> Result<> {
                const auto blob = blob_of(number);
                next["blob/" + name(blob).id.hex()] = as_text(blob);
                KITH_TRY(store.blobs->write(blob));
                return {};
            }};
}

Step receive_step(std::uint64_t number) {
    return receive_bytes_step(blob_of(number));
}

Step receive_large_step() {
    Bytes blob((limits::blob_sync_pieces + 1) * limits::blob_piece);
    for (std::size_t i = 0; i < blob.size(); i += 1000) blob[i] = static_cast<std::uint8_t>(i / 1000);
    return receive_bytes_step(std::move(blob));
}

Step reopen_step() {
    return {"close and open again", nullptr};
}

std::vector<Step> small_script() {
    return {add_step(1, 3),    profile_step(2),    write_blob_step(1), write_blob_step(90),
            together_step(10), receive_step(10),   careless_step(20),  checkpoint_step(),
            outbox_step(),     abandoned_step(30), profile_step(3),    tidy_step(),
            add_step(40, 4),   reopen_step(),      add_step(50, 2),    outbox_step()};
}

std::vector<Step> random_script(SeededRandom& random, std::size_t steps) {
    std::vector<Step> script;
    for (std::uint64_t number = 1000; script.size() < steps; number += 10) {
        const auto earlier = random.below(number / 10) * 10;  // often a blob that a record names
        switch (random.below(12)) {
            case 0:
                script.push_back(together_step(number));
                break;
            case 1:
                script.push_back(profile_step(number));
                break;
            case 2:
                script.push_back(outbox_step());
                break;
            case 3:
                script.push_back(careless_step(number));
                break;
            case 4:
                script.push_back(abandoned_step(number));
                break;
            case 5:
                script.push_back(checkpoint_step());
                break;
            case 6:
                script.push_back(write_blob_step(random.below(2) == 0 ? number : earlier));
                break;
            case 7:
                script.push_back(receive_step(random.below(2) == 0 ? number : earlier));
                break;
            case 8:
                script.push_back(random.below(3) == 0 ? tidy_step() : reopen_step());
                break;
            default:
                script.push_back(add_step(number, random.below(30)));
                break;
        }
    }
    return script;
}

}  // namespace kith::store::test

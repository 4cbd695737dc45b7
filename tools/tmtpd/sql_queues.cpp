// The queues: in memory and the journal first, in the database later.
#include "base/limits.h"
#include "sql_store.h"

namespace kith::tmtpd {
namespace {

using store::Transaction;
using tmtp::NodeRef;
using tmtp::StoredMessage;

// Where a flush does not wait for its time: what is queued and alive takes memory, and a flush of more of it
// would hold the loop for longer than people notice; what is gone makes the journal long.
// Each place is a row of the table `queue`.
constexpr std::size_t most_young = 4000, most_gone = 20'000, most_places = 10'000;
constexpr std::size_t most_young_bytes = 24 * 1024 * 1024;
constexpr std::uint64_t journal_bytes = 64 * 1024 * 1024;
// And where nothing more is taken, when flushes fail: the disk is full.
constexpr std::uint64_t journal_most = 2 * journal_bytes;
constexpr std::size_t most_queues = 20'000;

std::uint64_t weight(const StoredMessage& message) {
    return message.head.size() + message.datalen;
}

}  // namespace

// --- what comes in ---

Result<> SqlStore::put_piece(std::uint64_t id, std::uint32_t number, ByteView piece) {
    auto& held = held_[id];
    if (!held.bytes.empty()) KITH_TRY(write_piece(id, held));
    held = {number, to_bytes(piece)};
    return {};
}

// What cannot be removed now is removed at the next start.
void SqlStore::drop_pieces(std::uint64_t id) {
    auto held = held_.find(id);
    const bool written = held == held_.end() || held->second.number > 0;
    if (held != held_.end()) held_.erase(held);
    if (!written) return;
    (void)db_->run("DELETE FROM piece WHERE message = ?", id);
    dirty_ = true;
}

Result<> SqlStore::enqueue(const std::vector<tmtp::Outgoing>& messages) {
    bool large = false;
    for (const auto& [message, to] : messages) {
        auto held = held_.find(message.id);
        large = large || (held != held_.end() && held->second.number > 0);
    }
    if (large) {
        KITH_TRY_VALUE(tx, Transaction::begin(*db_));
        for (const auto& outgoing : messages) KITH_TRY(write(outgoing));
        KITH_TRY(tx.commit());
        wrote(messages);
        return {};
    }

    if (journal_.size() > journal_most)
        return fail(Fault::disk_full, "no room for more messages", "make room on the disk");
    std::vector<std::vector<Queue*>> queues;
    for (const auto& [message, to] : messages) {
        auto& list = queues.emplace_back();
        for (NodeRef node : to) {
            KITH_TRY_VALUE(queue, queue_of(node));
            list.push_back(queue);
        }
    }
    const auto mark = journal_.mark();
    for (const auto& [message, to] : messages) {
        auto held = held_.find(message.id);
        auto noted = journal_.queued(message, held == held_.end() ? ByteView() : held->second.bytes, to);
        if (!noted) journal_.undo(mark);
        KITH_TRY(std::move(noted));
    }
    for (std::size_t i = 0; i < messages.size(); ++i) {
        auto held = held_.extract(messages[i].message.id);
        keep(messages[i].message, held ? std::move(held.mapped().bytes) : Bytes(), queues[i]);
    }
    return {};
}

Result<> SqlStore::write(const tmtp::Outgoing& outgoing) {
    const auto& [message, to] = outgoing;
    if (to.empty()) return {};  // all that would hear of it have full queues
    if (auto held = held_.find(message.id); held != held_.end())
        KITH_TRY(write_piece(message.id, held->second));
    KITH_TRY(db_->run("INSERT INTO message VALUES (?, ?, ?)", message.id, message.head, message.datalen));
    for (NodeRef node : to) {
        KITH_TRY(db_->run("INSERT INTO queue VALUES (?, ?)", node, message.id));
        KITH_TRY(db_->run("UPDATE node SET queued = queued + ? WHERE id = ?", weight(message), node));
    }
    KITH_TRY(db_->run("UPDATE counter SET value = max(value, ?) WHERE name = 'last_id'", message.id));
    return {};
}

void SqlStore::wrote(const std::vector<tmtp::Outgoing>& messages) {
    for (const auto& [message, to] : messages) {
        held_.erase(message.id);
        highest_ = std::max(highest_, message.id);
        for (NodeRef node : to) {
            auto known = queues_.find(node);
            if (known == queues_.end()) continue;
            known->second.bytes += weight(message);
            known->second.forget_old();
        }
    }
}

Result<> SqlStore::write_piece(std::uint64_t id, const Held& held) {
    KITH_TRY(db_->run("INSERT INTO piece VALUES (?, ?, ?)", id, held.number, held.bytes));
    return {};
}

void SqlStore::keep(StoredMessage message, Bytes data, const std::vector<Queue*>& queues) {
    const auto id = message.id;
    if (queues.empty()) return;
    for (Queue* queue : queues) {
        queue->young.insert(id);
        queue->bytes += weight(message);
        queue->changed = true;
    }
    places_ += queues.size();
    young_bytes_ += message.head.size() + data.size();
    highest_ = std::max(highest_, id);
    young_[id] = {std::move(message), std::move(data), queues.size()};
    dirty_ = true;
}

// --- what goes out ---

Result<SqlStore::Queue*> SqlStore::queue_of(NodeRef node) {
    if (auto known = queues_.find(node); known != queues_.end()) return &known->second;
    auto row = db_->query("SELECT queued FROM node WHERE id = ?", node);
    KITH_TRY_VALUE(found, row.next());
    if (!found) return fail(Fault::not_found, "no such node");
    Queue& queue = queues_[node];
    queue.bytes = row.count(0);
    return &queue;
}

Result<> SqlStore::find_old(NodeRef node, Queue& queue) {
    if (queue.old || queue.no_old) return {};
    auto row = db_->query(
        "SELECT message, length(CAST(head AS BLOB)) + datalen FROM queue JOIN message ON id = message"
        " WHERE node = ? AND message > ? ORDER BY message",
        node, queue.after);
    for (;;) {
        KITH_TRY_VALUE(more, row.next());
        if (!more) break;
        if (queue.gone.contains(row.count(0))) continue;
        queue.old = {row.count(0), row.count(1)};
        return {};
    }
    queue.no_old = true;
    return {};
}

// Nothing: it is not queued there.
Result<std::optional<std::uint64_t>> SqlStore::old_weight(NodeRef node, Queue& queue, std::uint64_t id) {
    if (queue.gone.contains(id)) return std::nullopt;
    if (queue.old && queue.old->first == id) return queue.old->second;
    auto row = db_->query(
        "SELECT length(CAST(head AS BLOB)) + datalen FROM queue JOIN message ON id = message"
        " WHERE node = ? AND message = ?",
        node, id);
    KITH_TRY_VALUE(found, row.next());
    if (!found) return std::nullopt;
    return row.count(0);
}

Result<std::optional<StoredMessage>> SqlStore::first(NodeRef node) {
    KITH_TRY_VALUE(queue, queue_of(node));
    KITH_TRY(find_old(node, *queue));
    if (!queue->young.empty() && (!queue->old || *queue->young.begin() < queue->old->first))
        return young_.at(*queue->young.begin()).message;
    if (!queue->old) return std::nullopt;
    auto row = db_->query("SELECT id, head, datalen FROM message WHERE id = ?", queue->old->first);
    KITH_TRY_VALUE(found, row.next());
    if (!found) return fail(Fault::corrupt, "a queued message is missing");
    return StoredMessage{row.count(0), row.text(1), row.count(2)};
}

Result<Bytes> SqlStore::piece(std::uint64_t id, std::uint32_t number) {
    if (auto young = young_.find(id); young != young_.end() && number == 0) return young->second.data;
    auto row = db_->query("SELECT bytes FROM piece WHERE message = ? AND number = ?", id, number);
    KITH_TRY_VALUE(found, row.next());
    if (!found) return fail(Fault::corrupt, "a part of a message is missing");
    return to_bytes(row.bytes(0));
}

Result<> SqlStore::remove(NodeRef node, std::uint64_t id) {
    KITH_TRY_VALUE(queue, queue_of(node));
    if (queue->young.contains(id)) {
        (void)journal_.removed(node, id, weight(young_.at(id).message));  // without room, it comes again
        take_young(*queue, id);
        return {};
    }
    KITH_TRY_VALUE(old, old_weight(node, *queue, id));
    if (!old) return {};
    (void)journal_.removed(node, id, *old);
    // All before the first one are gone.
    if (queue->old && queue->old->first == id) queue->after = id;
    queue->old.reset();
    queue->gone.insert(id);
    queue->bytes -= *old;
    queue->changed = true;
    ++gone_;
    dirty_ = true;
    return {};
}

void SqlStore::take_young(Queue& queue, std::uint64_t id) {
    auto young = young_.find(id);
    queue.young.erase(id);
    --places_;
    queue.bytes -= weight(young->second.message);
    queue.changed = true;
    dirty_ = true;
    if (--young->second.nodes > 0) return;
    young_bytes_ -= young->second.message.head.size() + young->second.data.size();
    young_.erase(young);
}

Result<std::uint64_t> SqlStore::queue_bytes(const std::string& uid) {
    KITH_TRY_VALUE(all, nodes(uid));
    std::uint64_t most = 0;
    for (NodeRef node : all) {
        KITH_TRY_VALUE(queue, queue_of(node));
        most = std::max(most, queue->bytes);
    }
    return most;
}

Result<std::uint64_t> SqlStore::queue_bytes(NodeRef node) {
    KITH_TRY_VALUE(queue, queue_of(node));
    return queue->bytes;
}

// --- the journal, and the way into the database ---

Result<> SqlStore::replay() {
    auto counter = db_->query("SELECT value FROM counter WHERE name = 'last_id'");
    KITH_TRY(counter.next());
    highest_ = counter.count(0);
    Key key;
    {
        auto row = db_->query("SELECT key FROM journal");
        KITH_TRY_VALUE(found, row.next());
        if (!found || row.bytes(0).size() != Key::size())
            return fail(Fault::corrupt, "the journal's key is missing");
        std::copy(row.bytes(0).begin(), row.bytes(0).end(), key.fill().begin());
    }
    Journal::Reader reader;
    reader.queued = [this](StoredMessage message, Bytes data, std::vector<NodeRef> to) -> Result<> {
        std::vector<Queue*> queues;
        for (NodeRef node : to) {
            auto queue = queue_of(node);
            if (!queue && queue.error().kind == Fault::not_found) continue;
            KITH_TRY(queue);
            queues.push_back(*queue);
        }
        keep(std::move(message), std::move(data), queues);
        return {};
    };
    reader.removed = [this](NodeRef node, std::uint64_t id, std::uint64_t bytes) -> Result<> {
        auto known = queue_of(node);
        if (!known && known.error().kind == Fault::not_found) return {};
        KITH_TRY(known);
        Queue& queue = **known;
        if (queue.young.contains(id)) {
            take_young(queue, id);
        } else if (queue.gone.insert(id).second) {
            queue.bytes -= bytes;
            queue.changed = true;
        }
        return {};
    };
    return journal_.replay(key, reader);
}

Result<> SqlStore::commit() {
    if (broken_) return fail(Fault::io, "the database could not be written", "check the disk");
    return journal_.commit();
}

bool SqlStore::full() const {
    return young_.size() > most_young || places_ > most_places || young_bytes_ > most_young_bytes ||
           gone_ > most_gone || journal_.size() > journal_bytes;
}

Result<> SqlStore::flush() {
    Key fresh = crypto::random_secret(random_);
    KITH_TRY_VALUE(tx, Transaction::begin(*db_));
    for (const auto& [id, young] : young_) {
        KITH_TRY(
            db_->run("INSERT INTO message VALUES (?, ?, ?)", id, young.message.head, young.message.datalen));
        if (!young.data.empty()) KITH_TRY(db_->run("INSERT INTO piece VALUES (?, 0, ?)", id, young.data));
    }
    std::set<std::uint64_t> gone;
    for (const auto& [node, queue] : queues_) {
        for (auto id : queue.gone)
            KITH_TRY(db_->run("DELETE FROM queue WHERE node = ? AND message = ?", node, id));
        gone.insert(queue.gone.begin(), queue.gone.end());
        for (auto id : queue.young) KITH_TRY(db_->run("INSERT INTO queue VALUES (?, ?)", node, id));
        if (queue.changed) KITH_TRY(db_->run("UPDATE node SET queued = ? WHERE id = ?", queue.bytes, node));
    }
    KITH_TRY(erase(gone));
    KITH_TRY(db_->run("UPDATE counter SET value = max(value, ?) WHERE name = 'last_id'", highest_));
    KITH_TRY(db_->run("UPDATE journal SET key = ?", fresh.view()));
    if (auto done = tx.commit(); !done) {
        // It may be on the disk all the same, with the new key: nothing may be written under the old one.
        broken_ = done.error().kind != Fault::disk_full;
        return done;
    }

    for (auto& [node, queue] : queues_) {
        queue.gone.clear();
        queue.changed = false;
        if (!queue.young.empty()) queue.forget_old();
        queue.young.clear();
    }
    if (queues_.size() > most_queues) queues_.clear();
    young_.clear();
    young_bytes_ = gone_ = places_ = 0;
    KITH_TRY(journal_.restart(std::move(fresh)));
    // Only now are the pages overwritten that held what is gone, and the log that held them empty.
    KITH_TRY(db_->checkpoint());
    dirty_ = false;
    return {};
}

// Those of the messages that no queue holds any more, within a transaction of the caller's.
Result<> SqlStore::erase(const std::set<std::uint64_t>& messages) {
    for (auto id : messages) {
        KITH_TRY_VALUE(last, db_->run("DELETE FROM message WHERE id = ? AND NOT EXISTS"
                                      " (SELECT 1 FROM queue WHERE message = message.id)",
                                      id));
        if (last) KITH_TRY(db_->run("DELETE FROM piece WHERE message = ?", id));
    }
    return {};
}

}  // namespace kith::tmtpd

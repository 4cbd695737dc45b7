#include "journal.h"

#include "crypto/keys.h"

namespace kith::tmtpd {
namespace {

using tmtp::NodeRef;
using tmtp::StoredMessage;

// The file grows by writing zeros, so that later blocks change nothing but bytes that are there: a sync is
// then one write of the disk, and cannot run out of space.
constexpr std::uint64_t room_step = 1 << 20;
constexpr std::size_t largest_block = 256u << 20;

enum RecordType : std::uint8_t { message_queued = 1, message_removed = 2 };

// Takes a block's records apart; after a short one everything is empty and `ok` false.
struct Cursor {
    ByteView rest;
    bool ok = true;

    ByteView take(std::uint64_t size) {
        if (size > rest.size()) ok = false;
        if (!ok) return {};
        auto part = rest.first(static_cast<std::size_t>(size));
        rest = rest.subspan(part.size());
        return part;
    }
    std::uint8_t u8() {
        auto part = take(1);
        return ok ? part[0] : std::uint8_t{0};
    }
    std::uint32_t u32() {
        auto part = take(4);
        return ok ? load_u32(part.data()) : 0;
    }
    std::uint64_t u64() {
        auto part = take(8);
        return ok ? load_u64(part.data()) : 0;
    }
};

Result<> read_records(ByteView block, const Journal::Reader& reader) {
    for (Cursor in{block}; !in.rest.empty();) {
        const auto type = in.u8();
        if (type == message_queued) {
            StoredMessage message;
            message.id = in.u64();
            message.head = as_text(in.take(in.u32()));
            Bytes data = to_bytes(in.take(in.u32()));
            message.datalen = data.size();
            std::vector<NodeRef> nodes;
            for (auto left = in.u32(); left > 0 && in.ok; --left)
                nodes.push_back(static_cast<NodeRef>(in.u64()));
            if (in.ok) KITH_TRY(reader.queued(std::move(message), std::move(data), std::move(nodes)));
        } else if (type == message_removed) {
            const auto node = static_cast<NodeRef>(in.u64());
            const auto id = in.u64(), weight = in.u64();
            if (in.ok) KITH_TRY(reader.removed(node, id, weight));
        } else {
            in.ok = false;
        }
        // What the key has sealed is ours: this is another version's.
        if (!in.ok) return fail(Fault::corrupt, "the journal holds what this tmtpd does not know");
    }
    return {};
}

}  // namespace

Result<Journal> Journal::open(const std::filesystem::path& path) {
    KITH_TRY_VALUE(file, store::File::open(path, store::File::Mode::write));
    Journal journal(std::move(file));
    KITH_TRY_VALUE(size, journal.file_.size());
    journal.room_ = size;
    return journal;
}

Result<> Journal::replay(const Key& key, const Reader& reader) {
    std::uint64_t at = 0;
    for (std::uint64_t number = 0;; ++number) {
        std::array<std::uint8_t, 4> size;
        if (at + size.size() > room_) return {};
        KITH_TRY(file_.read_at(at, size));
        at += size.size();
        const std::size_t length = load_u32(size.data());
        if (length < crypto::seal_numbered_overhead || length > largest_block || at + length > room_)
            return {};
        Bytes sealed(length);
        KITH_TRY(file_.read_at(at, sealed));
        at += length;
        auto block = crypto::open_numbered(key, number, sealed);
        if (!block) return {};
        KITH_TRY(read_records(*block, reader));
    }
}

Result<> Journal::restart(Key key) {
    key_ = std::move(key);
    number_ = at_ = synced_ = 0;
    pending_.clear();
    urgent_ = false;
    return {};
}

Result<> Journal::make_room(std::uint64_t bytes) {
    // What a block adds to its records, twice: a batch may be cut in two.
    const auto needed = size() + bytes + 2 * (4 + crypto::seal_numbered_overhead);
    while (room_ < needed) {
        KITH_TRY(file_.write_at(room_, Bytes(room_step)));
        room_ += room_step;
    }
    return {};
}

Result<> Journal::queued(const StoredMessage& message, ByteView data, const std::vector<NodeRef>& to) {
    KITH_TRY(make_room(1 + 8 + 4 + message.head.size() + 4 + data.size() + 4 + 8 * to.size()));
    pending_.push_back(message_queued);
    append_u64(pending_, message.id);
    append_u32(pending_, static_cast<std::uint32_t>(message.head.size()));
    append(pending_, message.head);
    append_u32(pending_, static_cast<std::uint32_t>(data.size()));
    append(pending_, data);
    append_u32(pending_, static_cast<std::uint32_t>(to.size()));
    for (NodeRef node : to) append_u64(pending_, static_cast<std::uint64_t>(node));
    urgent_ = true;
    return {};
}

Result<> Journal::removed(NodeRef node, std::uint64_t id, std::uint64_t weight) {
    KITH_TRY(make_room(1 + 8 + 8 + 8));
    pending_.push_back(message_removed);
    append_u64(pending_, static_cast<std::uint64_t>(node));
    append_u64(pending_, id);
    append_u64(pending_, weight);
    return {};
}

Result<> Journal::commit() {
    if (!pending_.empty()) {
        const auto sealed = crypto::seal_numbered(key_, number_, pending_);
        Bytes block;
        block.reserve(4 + sealed.size());
        append_u32(block, static_cast<std::uint32_t>(sealed.size()));
        append(block, sealed);
        KITH_TRY(file_.write_at(at_, block));
        ++number_;
        at_ += block.size();
        pending_.clear();
    }
    if (urgent_) {
        KITH_TRY(file_.sync_data());
        urgent_ = false;
        synced_ = at_;
    }
    return {};
}

}  // namespace kith::tmtpd

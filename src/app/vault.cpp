#include "app/vault.h"

#include <algorithm>
#include <map>

#include "app/erasing.h"
#include "app/inbox.h"
#include "app/own_records.h"
#include "history/signed_record.h"

namespace kith::app {

void StoreVault::prepare(history::Arrival& arrival) {
    if (auto* batch = std::get_if<history::BatchArrival>(&arrival))
        for (auto& arrived : batch->records) {
            arrived.prepared = listing_of(arrived.record);
            // What is not asked for its content again is let go here, not on the loop.
            const auto& kind = arrived.record.kind;
            if (kind == history::kind::mail || kind == history::kind::message)
                arrived.record.drop_inline_bytes();
        }
}

Result<std::uint64_t> StoreVault::add(std::vector<history::Arrived> records) {
    std::vector<store::NewRecord> rows;
    std::vector<store::Account> accounts;
    std::vector<store::HistoryStore::Erased> erased;
    rows.reserve(records.size());
    for (auto& arrived : records) {
        if (arrived.stored.here()) KITH_TRY(check(arrived.record));
        const auto& kind = arrived.record.kind;
        if (kind == history::kind::account) {
            if (auto account = read_account_record(profile_, arrived.record))
                accounts.push_back(std::move(*account));
        } else if (kind == history::kind::erasure) {
            auto named = read_erasure(profile_, arrived.record);
            erased.insert(erased.end(), named.begin(), named.end());
        }
        auto* prepared = std::any_cast<store::Listing>(&arrived.prepared);
        auto listing = prepared ? std::move(*prepared) : listing_of(arrived.record);
        rows.push_back(new_record(std::move(arrived.stored), std::move(arrived.record), std::move(listing)));
    }
    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    KITH_TRY_VALUE(added, profile_.history().add(rows));
    if (!erased.empty()) KITH_TRY(profile_.history().add_erased(erased));
    KITH_TRY(tx.commit());
    if (!erased.empty()) {
        std::vector<history::Key> keys;
        for (const auto& item : erased) keys.push_back(item.key);
        events_.on_erased(keys);
    }
    // Should this fail, the account is found again at the next start (Services::start).
    for (const auto& account : accounts) KITH_TRY(events_.on_account(account));
    return added.added;
}

namespace {

bool is_made_by_kith(std::string_view kind) {
    namespace kind_of = history::kind;
    constexpr std::string_view kinds[] = {kind_of::recipients, kind_of::account, kind_of::contact,
                                          kind_of::mark,       kind_of::tag,     kind_of::card,
                                          kind_of::erasure};
    return std::find(std::begin(kinds), std::end(kinds), kind) != std::end(kinds);
}

}  // namespace

// A device that is barred by now may have made it: it is part of the set then, and does not count.
Result<> StoreVault::check(const history::Record& record) const {
    if (record.kind == history::kind::message && !events_.is_account(record.account))
        return fail(Fault::protocol,
                    "the other device sends a message of an account that is not this person's",
                    "if that device is not in your hands any more, bar it");
    if (!is_made_by_kith(record.kind)) return {};
    auto content = history::read_signed(record);
    const auto* signer = content ? profile_.roster().find(content->device) : nullptr;
    if (signer && content->signed_by(signer->device_key)) return {};
    return fail(Fault::protocol,
                "the other device sends a forged record: a '" + record.kind +
                    "' that none of this person's devices has signed",
                "if that device is not in your hands any more, bar it");
}

Result<history::Fingerprint> StoreVault::fingerprint(const history::Range& range) const {
    return profile_.history().fingerprint(range);
}

Result<std::vector<history::Range>> StoreVault::split(const history::Range& range) const {
    return profile_.history().split(range);
}

Result<std::vector<history::Key>> StoreVault::keys(const history::Range& range, std::size_t max) const {
    return profile_.history().keys(range, max);
}

Result<std::vector<history::Key>> StoreVault::lacking(std::span<const history::Key> keys) const {
    return profile_.history().lacking(keys);
}

Result<history::Page> StoreVault::newest(const history::Range& range, const history::Selection& selection,
                                         history::Budget budget) const {
    return profile_.history().newest(range, selection, budget);
}

Result<history::RecordSet::Got> StoreVault::get(std::span<const history::Key> keys,
                                                const history::Selection& selection,
                                                history::Budget budget) const {
    return profile_.history().get(keys, selection, budget);
}

Result<std::vector<history::Key>> StoreVault::wanted(const history::Selection& selection,
                                                     const history::Key& before, std::size_t max) const {
    return profile_.history().wanted(selection, before, max);
}

Result<std::vector<history::BlobWant>> StoreVault::missing(std::uint64_t largest, std::size_t max) const {
    KITH_TRY_VALUE(missing, profile_.history().missing_blobs(largest, max));
    std::vector<history::BlobWant> wanted;
    for (const auto& blob : missing) wanted.push_back({blob.id, blob.size});
    return wanted;
}

Result<Bytes> StoreVault::piece_hashes(const BlobId& id) const {
    KITH_TRY_VALUE(info, profile_.blobs().info(id));
    if (info.state != store::BlobState::complete) return fail(Fault::not_found, "the blob is not here");
    return profile_.blobs().piece_hashes(id);
}

Result<Bytes> StoreVault::piece(const BlobId& id, std::uint64_t index) const {
    KITH_TRY_VALUE(info, profile_.blobs().info(id));
    if (info.state != store::BlobState::complete || index >= history::piece_count(info.size))
        return fail(Fault::not_found, "no such piece");
    return profile_.blobs().read_piece(id, index);
}

Result<std::optional<std::vector<std::uint64_t>>> StoreVault::begun(const BlobId& id) const {
    auto missing = profile_.blobs().missing_pieces(id, SIZE_MAX);
    if (!missing && missing.error().kind == Fault::refused) return std::nullopt;  // not begun
    if (!missing) return fail(missing.error());
    return std::move(*missing);
}

Result<> StoreVault::begin(const BlobId& id, std::uint64_t size, ByteView hashes) {
    return profile_.blobs().begin(id, size, hashes);
}

Result<> StoreVault::put_piece(const BlobId& id, std::uint64_t index, const history::Piece& piece) {
    return profile_.blobs().put_piece(id, index, piece);
}

Result<> StoreVault::finish(std::span<const BlobId> ids) {
    return profile_.blobs().finish(ids);
}

Result<history::Digest> compute_digest(const Profile& profile, const history::Selection& selection) {
    history::DigestBuilder builder;
    const auto& history = profile.history();
    KITH_TRY(history.for_each_id([&](const history::Key& key) { builder.add_record(key.id); }));
    std::map<BlobId, std::uint64_t> selected;
    if (!selection.all())
        KITH_TRY(history.for_each_selected_blob(
            selection, [&](const BlobId& id, std::uint64_t size) { selected[id] = size; }));
    KITH_TRY(history.for_each_complete_blob([&](const BlobId& id, std::uint64_t size) {
        if (selection.all() || selected.contains(id)) builder.add_blob(id, size);
    }));
    KITH_TRY_VALUE(totals, history.totals());
    return builder.finish(totals.record_bytes);
}

}  // namespace kith::app

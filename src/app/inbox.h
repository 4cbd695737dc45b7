// What becomes a record: mails from files and messages from services, cut into parts, their blobs kept, and
// with what a list shows of them.
#pragma once

#include "app/profile.h"
#include "app/spool.h"
#include "history/mail_scan.h"
#include "history/sync.h"
#include "tmtp/client.h"

namespace kith::app {

// What a list shows of a record; nothing is shown of kinds that are not messages for people.
store::Listing listing_of(const history::Record& record);

// A mail's record. `header` is its header, or the first limits::mail_header bytes of it; `content` reads the
// mail, large parts of it twice and piece by piece. Its blobs are kept in `blobs` and synced when this
// returns; the row is the caller's to add.
Result<store::NewRecord> mail_record(ByteView header, const history::ScannedMail& mail,
                                     const store::BlobStore::Source& content, store::BlobStore& blobs);

// Whether a queued message of a service belongs to history (and not to the workings of the account).
bool is_history(const tmtp::Delivered& message);
// `large`: the data, when it is not in `message`.
Result<store::NewRecord> message_record(const tmtp::Delivered& message, const AccountId& account,
                                        store::BlobStore& blobs, const Spool* large = nullptr);
// The same with data that is read from wherever it is, large parts of it twice.
Result<store::NewRecord> message_record(const tmtp::Delivered& message, const AccountId& account,
                                        store::BlobStore& blobs, std::uint64_t data_size,
                                        const store::BlobStore::Source& data);

// A record that came from another device, or was made by this one.
store::NewRecord new_record(history::StoredRecord stored, history::Record record, store::Listing listing);
store::NewRecord new_record(history::Record record);

// The bytes of a message record taken apart again, as far as it is here.
struct MessageParts {
    std::string op, msgid, from, alias, to, gid, act, newalias;
    tmtp::Message message;
    std::size_t data_offset = 0;  // where the data begins in the content
};
Result<MessageParts> read_message_record(ByteView leading);

}  // namespace kith::app

#include "app/drafting.h"

#include <filesystem>
#include <fstream>

#include "app/contacts.h"
#include "app/inbox.h"
#include "app/own_records.h"
#include "base/limits.h"
#include "crypto/hash.h"
#include "tmtp/message.h"
#include "tmtp/replies.h"

namespace kith::app {
namespace {

// Reads a file to be attached; `total` bytes are there already.
Result<Bytes> read_file(const std::filesystem::path& path, std::size_t total) {
    std::error_code error;
    bool regular = std::filesystem::is_regular_file(path, error);
    auto size = regular ? std::filesystem::file_size(path, error) : 0;
    std::ifstream file(path, std::ios::binary);
    if (error || !regular || !file)
        return fail(Fault::not_found, "cannot read the file " + path.string(),
                    "check its name and permissions");
    if (size > limits::tmtp_post_bytes - std::min(total, limits::tmtp_post_bytes))
        return fail(Fault::invalid,
                    "a message takes at most " + std::to_string(limits::tmtp_post_bytes >> 20) + " MiB",
                    "send less at once");
    Bytes content(size);
    file.read(reinterpret_cast<char*>(content.data()), static_cast<std::streamsize>(size));
    content.resize(static_cast<std::size_t>(file.gcount()));
    return content;
}

}  // namespace

Result<AccountId> answer_to(Profile& profile, const std::string& record_id, DraftedMessage& draft) {
    KITH_TRY_VALUE(key, profile.history().find(record_id));
    KITH_TRY_VALUE(record, profile.history().read(key));
    auto listing = listing_of(record);
    KITH_TRY_VALUE(account, profile.store().account(record.account));
    if (listing.thread.empty() || !account)
        return fail(Fault::invalid, "only messages of a service can be answered",
                    "'kith message list' shows them");
    draft.thread = listing.thread;
    if (draft.subject.empty()) draft.subject = listing.subject;
    if (!draft.to.empty() || !draft.groups.empty()) return account->id;
    KITH_TRY_VALUE(own, own_uids(profile, *account));
    if (!own.contains(listing.uid)) {
        draft.to = {listing.uid};
        KITH_TRY_VALUE(parts, read_message_record(record.leading_bytes()));
        for (const auto& copy : parts.message.cc)
            if (draft.to_all && !copy.whouid.empty() && !own.contains(copy.whouid))
                draft.to.push_back(copy.whouid);
        return account->id;
    }
    KITH_TRY_VALUE(sent, recipients_of(profile, account->id, listing.msgid, key.time_ms));
    if (!sent)
        return fail(Fault::not_found, "it is not known whom this message of yours went to",
                    "name them with --to");
    draft.to = std::move(sent->uids);
    draft.groups = std::move(sent->groups);
    // All posts go to oneself, too; but one's former account may be in other hands.
    std::erase_if(draft.to, [&](const std::string& uid) { return own.contains(uid); });
    return account->id;
}

std::string message_key(Profile& profile) {
    return crypto::random_id<Id<struct MessageKeyTag, 8>>(profile.random()).hex();
}

Result<tmtp::Asking> compose(Profile& profile, const store::Account& account, const DraftedMessage& draft,
                             Now now) {
    if (draft.to.empty() && draft.groups.empty() && draft.notify.empty())
        return fail(Fault::invalid, "it is not said to whom", "name them with --to or --group");
    if (draft.notify.empty() != draft.note.empty())
        return fail(Fault::invalid, "a note and who gets it belong together",
                    "give both --notify and --note");
    tmtp::Draft message;
    message.key = message_key(profile);
    message.threadid = draft.thread;
    message.alias = account.alias;
    message.subject = draft.subject;
    message.body = draft.body;
    message.groups = draft.groups;
    for (const auto& who : draft.to) {
        KITH_TRY_VALUE(uid, find_uid(profile, account, who));
        message.recipients.push_back(uid);
    }
    // Those who get it together are told of each other, so that an answer can go to all.
    for (std::size_t i = 0; message.recipients.size() > 1 && i < message.recipients.size(); ++i)
        message.cc.push_back({draft.to[i],
                              message.recipients[i],
                              account.alias,
                              account.uid,
                              tmtp::format_posted(now.unix_ms),
                              {},
                              false});
    std::vector<std::string> notify;
    for (const auto& who : draft.notify) {
        KITH_TRY_VALUE(uid, find_uid(profile, account, who));
        notify.push_back(uid);
    }
    std::size_t total = draft.body.size();
    std::vector<Bytes> files;
    for (const auto& path : draft.attach) {
        KITH_TRY_VALUE(content, read_file(path, total));
        total += content.size();
        files.push_back(std::move(content));
    }
    for (std::size_t i = 0; i < files.size(); ++i)
        message.attachments.push_back({std::filesystem::path(draft.attach[i]).filename().string(), files[i]});
    return notify.empty() ? tmtp::compose(message, account.uid)
                          : tmtp::compose_notify(message, account.uid, notify, draft.note);
}

}  // namespace kith::app

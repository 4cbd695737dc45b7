#include "app/mnm_importer.h"

#include <algorithm>

#include "app/address.h"
#include "app/inbox.h"
#include "app/labels.h"
#include "base/limits.h"
#include "crypto/hash.h"
#include "history/mime_text.h"
#include "mnm/limits.h"
#include "mnm/names.h"

namespace kith::app {
namespace fs = std::filesystem;
namespace {

constexpr const char* what_to_give =
    "give the folder 'store' of the reference client, or one account's in its 'svc'";
// What is looked at in one step: entries of a folder, and messages.
constexpr std::size_t step_entries = 500, step_messages = 50;

// Data that lies in several places: the inner head, the body in its thread, attachments.
class DeliveryData {
  public:
    DeliveryData(std::string inner, const MailFile& thread, const MnmMessage& message)
        : inner_(std::move(inner)), thread_(thread) {
        add({inner_.size(), 0, nullptr, &inner_});
        add({message.head.body, message.body_offset, nullptr, nullptr});
    }
    void add(const MnmAttachments::Content& content) {
        add({content.size, 0, content.path.empty() ? nullptr : &content.path, &content.text});
    }
    std::uint64_t size() const { return size_; }

    Result<> read(std::uint64_t offset, std::span<std::uint8_t> into) {
        for (const auto& part : parts_) {
            if (into.empty()) break;
            if (offset >= part.size) {
                offset -= part.size;
                continue;
            }
            auto piece = into.first(std::min<std::uint64_t>(into.size(), part.size - offset));
            KITH_TRY(read_part(part, part.offset + offset, piece));
            into = into.subspan(piece.size());
            offset = 0;
        }
        return {};
    }

  private:
    struct Part {
        std::uint64_t size = 0, offset = 0;
        const fs::path* path = nullptr;     // an attachment's file
        const std::string* text = nullptr;  // or bytes in memory; neither: the thread
    };
    void add(Part part) {
        size_ += part.size;
        parts_.push_back(part);
    }
    Result<> read_part(const Part& part, std::uint64_t offset, std::span<std::uint8_t> into) {
        if (part.text && !part.path) {
            std::copy_n(part.text->begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
            return {};
        }
        if (part.path && part.path != open_path_) {
            KITH_TRY_VALUE(file, MailFile::open(*part.path));
            open_.emplace(std::move(file));
            open_path_ = part.path;
        }
        KITH_TRY_VALUE(got, (part.path ? *open_ : thread_).read(offset, into));
        if (got < into.size()) return fail(Fault::io, "it became shorter while it was read");
        return {};
    }
    std::string inner_;
    const MailFile& thread_;
    std::vector<Part> parts_;
    std::uint64_t size_ = 0;
    const fs::path* open_path_ = nullptr;
    std::optional<MailFile> open_;
};

// Whether two records of one message id are the same message, told once by its delivery and once by a store:
// what a store keeps of it agrees.
bool same_message(const MessageParts& a, const MessageParts& b) {
    auto sizes = [](const MessageParts& parts) {
        std::vector<std::pair<std::string, std::uint64_t>> list;
        for (const auto& one : parts.message.attachments) list.emplace_back(one.name, one.span.size);
        return list;
    };
    return a.op == b.op && a.from == b.from && a.alias == b.alias && a.to == b.to && a.gid == b.gid &&
           a.message.alias == b.message.alias && a.message.subject == b.message.subject &&
           a.message.body.size == b.message.body.size && sizes(a) == sizes(b);
}

}  // namespace

struct MnmImporter::Account {
    fs::path path;
    FileWalk walk;  // of its threads
    mnm::Config config;
    store::Account account;
    bool begun = false, readable = true, book_taken = false;
    std::map<std::string, std::string> tags;
    MnmAttachments attachments;
    std::size_t next_file = 0, next_entry = 0;
    std::optional<MnmThread> thread;
    std::vector<Seen> seen;
    std::vector<Tagged> tagged;
    Account(fs::path at, FileWalk files) : path(at), walk(std::move(files)), attachments(std::move(at)) {}
};

MnmImporter::MnmImporter(net::Loop& loop, Profile& profile, Hooks hooks, ImportEvents events)
    : ImportJob(loop, profile, std::move(events)), hooks_(std::move(hooks)) {}
MnmImporter::~MnmImporter() = default;

Result<std::unique_ptr<MnmImporter>> MnmImporter::start(net::Loop& loop, Profile& profile,
                                                        const fs::path& path, Hooks hooks,
                                                        ImportEvents events) {
    std::error_code error;
    if (!fs::exists(path, error))
        return fail(Fault::not_found, "there is nothing at " + path.string(), what_to_give);
    auto folders = mnm_accounts(path);
    if (folders.empty())
        return fail(Fault::invalid, "there is no account of the reference client in " + path.string(),
                    what_to_give);
    std::unique_ptr<MnmImporter> self(new MnmImporter(loop, profile, std::move(hooks), std::move(events)));
    for (auto& folder : folders) {
        KITH_TRY_VALUE(walk, FileWalk::start(folder / "thread"));
        self->accounts_.push_back(std::make_unique<Account>(std::move(folder), std::move(walk)));
    }
    self->begin();
    return self;
}

Result<bool> MnmImporter::look() {
    if (at_ < accounts_.size()) {
        if (!accounts_[at_]->walk.step(step_entries)) {
            // That client's empty files are links that lead nowhere: no problem.
            (void)accounts_[at_]->walk.take_problems();
            files_ += accounts_[at_]->walk.size();
            ++at_;
        }
        return true;
    }
    at_ = 0;
    return false;
}

void MnmImporter::tell_progress() const {
    events_.on_progress(files_done_, files_, bytes_);
}

Result<> MnmImporter::check_end() const {
    if (taken_.empty())
        return fail(Fault::corrupt, "no account of this store can be read",
                    "see what was skipped; give another copy of the store");
    return {};
}

Result<bool> MnmImporter::fill() {
    std::size_t done = 0;
    while (at_ < accounts_.size()) {
        auto& account = *accounts_[at_];
        if (batch_bytes_ >= limits::batch_bytes || done++ >= step_messages) return true;
        if (!account.begun) {
            KITH_TRY(begin_account(account));
        } else if (!account.readable) {
            ++at_;
        } else if (account.thread && account.next_entry < account.thread->entries.size()) {
            KITH_TRY(take_message(account, account.thread->entries[account.next_entry++]));
        } else if (account.thread) {
            KITH_TRY(end_thread(account));
        } else if (account.next_file < account.walk.size()) {
            open_next(account);
        } else if (!account.book_taken) {
            KITH_TRY(take_book(account));
        } else {
            KITH_TRY(keep_batch());  // an account comes after its history
            KITH_TRY(end_account(account));
            ++at_;
        }
    }
    return false;
}

Result<> MnmImporter::begin_account(Account& account) {
    account.begun = true;
    auto text = read_small(account.path / "config", limits::mnm_config_bytes);
    auto config = text ? mnm::read_config(*text) : Result<mnm::Config>(fail(text.error()));
    if (text) wipe({reinterpret_cast<std::uint8_t*>(text->data()), text->size()});
    if (config) {
        auto address = parse_address(config->address);
        if (address)
            config->address = address->text();
        else
            config = fail(Fault::corrupt, "its service's address is damaged");
    }
    if (!config) {
        account.readable = false;
        files_done_ += account.walk.size();
        skip(account.path, config.error().what);
        return {};
    }
    account.config = std::move(*config);
    KITH_TRY_VALUE(known, known_account(account.config));
    account.account = std::move(known);
    auto names = read_small(account.path / "tag", limits::mnm_list_bytes);
    auto tags =
        names && !names->empty() ? mnm::read_tags(*names) : Result<std::map<std::string, std::string>>();
    if (!names || !tags)
        skip(account.path / "tag", names ? tags.error().what : names.error().what);
    else
        account.tags = std::move(*tags);
    return {};
}

// The person's account of this service and uid. One that is new gets an id that any of the person's devices
// would give it, so that two that take the same store make the same records.
Result<store::Account> MnmImporter::known_account(const mnm::Config& config) {
    KITH_TRY_VALUE(accounts, profile_.store().accounts());
    for (auto& one : accounts)
        if (one.identity == config.address && one.uid == config.uid) return std::move(one);
    const auto* secret = profile_.term_key();
    if (!secret) return fail(Fault::refused, "this device belongs to nobody yet", "run: kith init");
    auto hash = crypto::Hasher(*secret)
                    .add("kith.account.import.1")
                    .add_u64(config.address.size())
                    .add(config.address)
                    .add(config.uid)
                    .finish();
    store::Account account;
    account.id = *AccountId::from(ByteView(hash).first(AccountId::size));
    account.address = account.identity = config.address;
    account.alias = config.alias;
    account.uid = config.uid;
    KITH_TRY(hooks_.learn(account));
    return account;
}

void MnmImporter::open_next(Account& account) {
    const auto path = account.walk.file(account.next_file++);
    const auto name = path.filename().string();
    ++files_done_;
    if (!mnm::is_thread_name(name) || path.parent_path().filename() != "thread")
        return skip(path, mnm::is_draft_name(name) ? "a draft: it was not sent, and is not history"
                                                   : "it is not a thread");
    auto thread = open_thread(path);
    if (!thread) return skip(path, thread.error().what);
    account.thread.emplace(std::move(*thread));
    account.next_entry = 0;
}

Result<> MnmImporter::take_message(Account& account, const mnm::Entry& entry) {
    auto& thread = *account.thread;
    if (entry.is_draft) return {};  // its own file is told of
    const auto where = thread.path / entry.id;
    auto message = read_message(thread, entry);
    if (!message) {
        skip(where, message.error().what);
        return {};
    }
    auto& head = message->head;
    if (!entry.forward_by.empty()) {
        // Only who passed it on says who wrote it, so whoever sees it is told.
        auto by = std::find_if(thread.cc.begin(), thread.cc.end(),
                               [&](const auto& copy) { return copy.whouid == entry.forward_by; });
        head.alias +=
            " (forwarded by " + (by != thread.cc.end() ? by->who : entry.forward_by) + ", not confirmed)";
    }
    std::vector<MnmAttachments::Content> contents;
    std::vector<mnm::Attached> here;
    for (auto& one : head.attached) {
        auto content = account.attachments.find(thread.id, head.id, one);
        if (!content) {
            skip(where / one.name, content.error().what);
            continue;
        }
        contents.push_back(std::move(*content));
        here.push_back(std::move(one));
    }
    head.attached = std::move(here);

    auto delivery = mnm::delivery_of(head, thread.cc);
    const auto posted = static_cast<std::uint64_t>(delivery.message.posted_ms);
    if (auto seen = tmtp::parse_posted(entry.seen); seen && *seen > 0)
        account.seen.push_back({head.id, static_cast<std::uint64_t>(*seen)});
    if (!entry.tags.empty()) {
        Tagged tagged{head.id, {}, posted};
        for (const auto& id : entry.tags) {
            auto name = account.tags.find(id);
            tagged.names.push_back(history::valid_utf8(name == account.tags.end() ? id : name->second)
                                       .substr(0, limits::mnm_tag_bytes));
        }
        account.tagged.push_back(std::move(tagged));
    }

    auto leading = delivery.message.raw;
    append(leading, delivery.inner);
    KITH_TRY_VALUE(known, is_known(account.account.id, leading));
    if (known) {
        ++counts_.known;
        return {};
    }
    DeliveryData data(std::move(delivery.inner), thread.file, *message);
    for (const auto& content : contents) data.add(content);
    std::string trouble;  // with the files, not with the store
    auto read = [&](std::uint64_t offset, std::span<std::uint8_t> into) -> Result<> {
        auto got = data.read(offset, into);
        if (!got) trouble = got.error().what;
        return got;
    };
    auto record = message_record(delivery.message, account.account.id, profile_.blobs(), data.size(), read);
    if (!record && !trouble.empty()) {
        skip(where, trouble);
        return {};
    }
    if (!record) return fail(record.error());
    messages_.push_back(std::move(*record));
    batch_bytes_ += data.size();
    bytes_ += data.size();
    return {};
}

// A message that a service delivered, or that an earlier import took, is not taken again. Nor is one that was
// erased, or that this device leaves out.
Result<bool> MnmImporter::is_known(const AccountId& account, const Bytes& leading) const {
    KITH_TRY_VALUE(ours, read_message_record(leading));
    KITH_TRY_VALUE(keys, profile_.history().find_message(account, ours.msgid));
    for (const auto& key : keys) {
        auto record = profile_.history().read(key);
        if (!record && record.error().kind == Fault::unavailable) return true;
        if (!record) return fail(record.error());
        auto theirs = read_message_record(record->leading_bytes());
        if (theirs && same_message(ours, *theirs)) return true;
    }
    return false;
}

Result<> MnmImporter::end_thread(Account& account) {
    const auto& id = account.account.id;
    for (auto& record : mark_records(profile_, id, account.seen)) own_.push_back(std::move(record));
    for (auto& record : tag_records(profile_, id, account.tagged)) own_.push_back(std::move(record));
    account.seen.clear();
    account.tagged.clear();
    account.thread.reset();
    return {};
}

Result<> MnmImporter::take_book(Account& account) {
    account.book_taken = true;
    const auto path = account.path / "adrsbk";
    auto text = read_small(path, limits::mnm_list_bytes);
    std::size_t odd = 0;
    auto book = text && !text->empty() ? mnm::read_address_book(*text, odd) : Result<mnm::AddressBook>();
    if (!text || !book) {
        skip(path, text ? book.error().what : text.error().what);
    } else {
        if (odd > 0) skip(path, std::to_string(odd) + " of its entries cannot be read");
        for (const auto& message : book->received) {
            KITH_TRY_VALUE(known, is_known(account.account.id, message.raw));
            if (known) {
                ++counts_.known;
                continue;
            }
            KITH_TRY_VALUE(record, message_record(message, account.account.id, profile_.blobs()));
            messages_.push_back(std::move(record));
        }
        for (const auto& contact : book->contacts)
            own_.push_back(
                contact_record(profile_, account.account.id, contact.alias, contact.uid, contact.met_ms));
    }
    auto queue = read_small(account.path / "sendq", limits::mnm_list_bytes);
    auto waiting = queue && !queue->empty() ? mnm::read_queue(*queue) : Result<std::size_t>(std::size_t{0});
    if (!queue || !waiting)
        skip(account.path / "sendq", queue ? waiting.error().what : queue.error().what);
    else if (*waiting > 0)
        skip(account.path / "sendq",
             std::to_string(*waiting) + " that wait to be sent: let the old client send them first");
    return {};
}

Result<> MnmImporter::end_account(Account& account) {
    if (hooks_.take_over) {
        if (account.config.node.empty())
            skip(account.path, "there is no node's secret in its configuration");
        else if (hooks_.has_node(account.account.id))
            skip(account.path / "config", "this device has a node of this account already");
        else
            KITH_TRY(hooks_.take_over(account.account, account.config.node));
    }
    account.config.node = SecretBytes();
    auto same = [&](const Taken& one) { return one.account.id == account.account.id; };
    if (std::none_of(taken_.begin(), taken_.end(), same))
        taken_.push_back({account.account, hooks_.has_node(account.account.id)});
    return {};
}

Result<> MnmImporter::keep_batch() {
    if (messages_.empty() && own_.empty()) return {};
    KITH_TRY_VALUE(tx, store::Transaction::begin(profile_.db()));
    KITH_TRY_VALUE(added, profile_.history().add(messages_));
    KITH_TRY_VALUE(noted, profile_.history().add(own_));
    KITH_TRY(tx.commit());
    counts_.imported += added.added;
    counts_.known += added.already;
    messages_.clear();
    own_.clear();
    batch_bytes_ = 0;
    if (added.added + noted.added > 0) events_.on_history();
    return {};
}

}  // namespace kith::app

// The reference client's store on the disk: where its accounts are, and reading its files. What is in them is
// taken apart by mnm.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "app/mail_files.h"
#include "base/result.h"
#include "mnm/form.h"
#include "mnm/thread.h"

namespace kith::app {

// The folders of the accounts in the store at `path`, by name: of `path` itself when it is an account's
// folder, else in its `svc`, else in its `store/svc`. None: it is no such store.
std::vector<std::filesystem::path> mnm_accounts(const std::filesystem::path& path);

// A small file, whole. An absent one, or a link that leads nowhere (which is how that client keeps an empty
// one), is empty text. Fault::corrupt when it is larger than `max`.
Result<std::string> read_small(const std::filesystem::path& path, std::size_t max);

// One thread, opened: its lists are read, its messages are not.
struct MnmThread {
    std::string id;
    std::filesystem::path path;
    MailFile file;
    std::vector<mnm::Entry> entries;
    std::vector<tmtp::Copy> cc;
};
Result<MnmThread> open_thread(const std::filesystem::path& path);

// A message's header, after its size and checksum were found right. `body_offset`: in the thread's file.
struct MnmMessage {
    mnm::MessageHead head;
    std::uint64_t body_offset = 0;
};
Result<MnmMessage> read_message(const MnmThread& thread, const mnm::Entry& entry);

// The attachments of one account. Keeps the table of filled forms that was used last.
class MnmAttachments {
  public:
    explicit MnmAttachments(std::filesystem::path account) : account_(std::move(account)) {}
    // One as it was delivered: in a file, or (a filled form) in memory.
    struct Content {
        std::filesystem::path path;  // empty: in memory
        std::string text;
        std::uint64_t size = 0;
    };
    // Of message `msgid` in `thread`. Fails when it is not here as the message tells.
    Result<Content> find(const std::string& thread, const std::string& msgid, const mnm::Attached& attached);

  private:
    std::filesystem::path account_;
    std::string table_name_;
    std::optional<mnm::FormTable> table_;
};

}  // namespace kith::app

// Takes the reference client's store into history: its messages become what was delivered
// (src/mnm/README.md), its read marks, tags and contacts records that this device signs; on request its
// accounts are taken over. Memory does not grow with messages or attachments. It keeps no place: taking the
// same store again finds everything known.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/import_job.h"
#include "app/mnm_store.h"
#include "mnm/account.h"

namespace kith::app {

class MnmImporter : public ImportJob {
  public:
    struct Taken {
        store::Account account;
        bool here = false;  // this device has a node of it
    };
    struct Hooks {
        // Makes an account known that is not yet, durably.
        std::function<Result<>(const store::Account&)> learn;
        // Makes the node this device's, durably, and connects, unless the device has one there already. Not
        // set: accounts are left where they are.
        std::function<Result<>(const store::Account&, const SecretBytes& nodeid)> take_over;
        std::function<bool(const AccountId&)> has_node;
    };
    // Fault::invalid when there is no such store.
    static Result<std::unique_ptr<MnmImporter>> start(net::Loop& loop, Profile& profile,
                                                      const std::filesystem::path& path, Hooks hooks,
                                                      ImportEvents events);
    ~MnmImporter() override;
    // Once the import has ended well.
    const std::vector<Taken>& taken() const { return taken_; }

  private:
    struct Account;
    MnmImporter(net::Loop& loop, Profile& profile, Hooks hooks, ImportEvents events);
    Result<bool> look() override;
    Result<bool> fill() override;
    Result<> keep_batch() override;
    void tell_progress() const override;
    Result<> check_end() const override;
    Result<> begin_account(Account& account);
    void open_next(Account& account);
    Result<> take_message(Account& account, const mnm::Entry& entry);
    Result<> end_thread(Account& account);
    Result<> take_book(Account& account);
    Result<> end_account(Account& account);
    Result<store::Account> known_account(const mnm::Config& config);
    Result<bool> is_known(const AccountId& account, const Bytes& leading) const;

    Hooks hooks_;
    std::vector<std::unique_ptr<Account>> accounts_;
    std::size_t at_ = 0;  // the account
    std::vector<Taken> taken_;
    std::vector<store::NewRecord> messages_, own_;  // the batch
    std::size_t batch_bytes_ = 0;
    std::uint64_t files_ = 0, files_done_ = 0, bytes_ = 0;
};

}  // namespace kith::app

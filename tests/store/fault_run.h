// A profile on a FaultDisk, steps that are done to it, and what must then be in it.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "store/blob_store.h"
#include "store/fault_files.h"
#include "store/fault_vfs.h"
#include "store/profile_store.h"
#include "store/support.h"

namespace kith::store::test {

using Trouble = FaultDisk::Trouble;

// All that a profile holds, by names of our own: "record/<id>", "names/<blob id>" for a blob that a record
// names, "blob/<id>" for a complete one, "entry/..", "job/..", "setting/..", "post/..", "account".
using State = std::map<std::string, std::string>;

inline const AccountId account_id = *AccountId::from(Bytes(16, 5));

// Everything that is open of a profile.
struct Store {
    static Result<std::unique_ptr<Store>> open(const std::filesystem::path& folder,
                                               const std::vector<std::string_view>& schema) {
        auto store = std::make_unique<Store>();
        KITH_TRY_VALUE(db, Database::open(folder / "kith.db", key_of_byte(7), schema));
        store->db = std::move(db);
        const Key term_key = key_of_byte(9);
        KITH_TRY_VALUE(history, HistoryStore::open(*store->db, &term_key));
        store->history = std::move(history);
        KITH_TRY_VALUE(blobs, BlobStore::open(folder / "blobs", *store->db, key_of_byte(7)));
        store->blobs = std::move(blobs);
        store->kept.emplace(*store->db);
        return store;
    }
    std::unique_ptr<Database> db;
    std::unique_ptr<HistoryStore> history;
    std::unique_ptr<BlobStore> blobs;
    std::optional<ProfileStore> kept;
};

// What is done to a store, and what it makes of the state: before the call whatever may be there once it has
// begun, after it whatever must be.
struct Step {
    std::string what;
    std::function<Result<>(Store&, State&)> run;  // none: close and open again
};

// One profile on one disk, and what must be in it. Fails the test when something else is.
class Run {
  public:
    Run(const std::filesystem::path& folder, std::uint64_t seed, const FaultDisk::Image& image = {},
        std::vector<std::string_view> schema = profile_schema());
    ~Run() { store.reset(); }

    // Begins with what stands on the disk.
    void know(State state) { certain_ = std::move(state); }
    const State& certain() const { return certain_; }

    // Does the steps, each until it succeeds, through whatever is planned for the disk. `when_back` is called
    // after each power cut or kill, before the store is opened again, and may plan more.
    void play(const std::vector<Step>& script, const std::function<void()>& when_back = {});
    // Does a step once, and whether it succeeds or not, the power goes, or the program is killed. Whether the
    // plan came to pass.
    bool play_once(const Step& step, Trouble end = Trouble::power_cut);
    // The power goes while nothing is being done.
    void cut_power();
    // That everything is there which must be, and nothing else.
    void check();

    FaultDisk disk;
    std::unique_ptr<Store> store;

  private:
    Result<> open();
    bool attempt(const Step& step, const std::function<void()>& when_back);
    bool settle_after_cut(const std::function<void()>& when_back);
    State look();
    void look_at_blobs(State& state);

    std::filesystem::path folder_;
    std::vector<std::string_view> schema_;
    FaultVfs vfs_;
    FaultFiles files_;
    State certain_;
    std::vector<State> possible_;  // what failed attempts at the present step may have left
    std::uint64_t failures_ = 0;
};

}  // namespace kith::store::test

#include "store/fault_run.h"

#include <set>

namespace kith::store::test {

namespace {

std::string difference(const State& found, const State& wanted) {
    std::string text = "the store differs:";
    for (const auto& [what, content] : wanted)
        if (auto at = found.find(what); at == found.end() || at->second != content)
            text += (at == found.end() ? " lacks " : " has another ") + what;
    for (const auto& [what, content] : found)
        if (!wanted.contains(what)) text += " has too much: " + what;
    return text;
}

}  // namespace

Run::Run(const std::filesystem::path& folder, std::uint64_t seed, const FaultDisk::Image& image,
         std::vector<std::string_view> schema)
    : disk(seed, image), folder_(folder), schema_(std::move(schema)), vfs_(disk), files_(disk, folder) {}

void Run::play(const std::vector<Step>& script, const std::function<void()>& when_back) {
    for (const auto& step : script) {
        INFO("step: ", step.what);
        for (int tries = 1; !attempt(step, when_back); ++tries) REQUIRE(tries < 100);
    }
}

bool Run::play_once(const Step& step, Trouble end) {
    INFO("step: ", step.what);
    auto next = certain_;
    const auto result = step.run(*store, next);
    if (result) certain_ = next;
    possible_.push_back(std::move(next));
    const bool met = disk.met();
    files_.notice_removals();
    disk.plan(end);
    settle_after_cut({});
    return met;
}

void Run::cut_power() {
    disk.plan(Trouble::power_cut);
    store.reset();
    files_.restart();
    must(open());
    check();
}

void Run::check() {
    const auto found = look();
    if (found != certain_) FAIL_CHECK(difference(found, certain_));
}

Result<> Run::open() {
    store.reset();
    KITH_TRY_VALUE(opened, Store::open(folder_, schema_));
    store = std::move(opened);
    return {};
}

// False: to be tried again.
bool Run::attempt(const Step& step, const std::function<void()>& when_back) {
    const bool opens = !step.run || !store;
    auto next = certain_;
    const auto result = opens ? open() : step.run(*store, next);
    if (result) {
        if (opens && step.run) return false;  // what was to be opened for comes now
        certain_ = std::move(next);
        possible_.clear();
        return true;
    }
    INFO("error: ", result.error().what);
    REQUIRE(disk.met());
    possible_.push_back(std::move(next));
    if (disk.off()) return settle_after_cut(when_back);
    const auto kind = result.error().kind;
    CHECK((kind == Fault::io || kind == Fault::disk_full));
    // Nothing is to be seen of a failed step, and when the disk is well again all goes on.
    if (++failures_ % 3 != 0) return false;
    disk.plan(Trouble::none);
    if (store) check();
    return false;
}

// True: the interrupted step is done.
bool Run::settle_after_cut(const std::function<void()>& when_back) {
    store.reset();
    files_.restart();
    if (when_back) when_back();
    for (auto opened = open(); !opened; opened = open()) {
        INFO("opening: ", opened.error().what);
        REQUIRE(disk.met());
        if (disk.off()) files_.restart();
        disk.plan(Trouble::none);
    }
    disk.plan(Trouble::none);
    const auto found = look();
    const bool before = found == certain_;
    const auto after = std::find(possible_.begin(), possible_.end(), found);
    if (!before && after == possible_.end()) FAIL_CHECK(difference(found, certain_));
    const bool done = !before && after == possible_.end() - 1;
    certain_ = found;
    possible_.clear();
    return done;
}

State Run::look() {
    State state;
    auto integrity = store->db->query("PRAGMA integrity_check");
    REQUIRE(must(integrity.next()));
    CHECK(integrity.text(0) == "ok");
    check_consistent(*store->history);
    const auto keys = all_keys(*store->history);
    for (const auto& stored : get_all(*store->history, keys)) {
        const auto canonical = canonical_of(stored);
        state["record/" + stored.key.id.hex()] = as_text(canonical);
        for (const auto& part : must(history::decode(canonical)).parts)
            if (part.is_blob) state["names/" + part.blob.hex()] = std::to_string(part.size);
    }
    for (const auto& entry : must(store->kept->entries()))
        state["entry/" + std::string(as_text(entry.body)).substr(5)] = as_text(entry.body);
    for (const auto& job : must(store->kept->jobs())) state["job/" + job.role] = job.state;
    for (const char* setting : {"word", "cursor", "careless"})
        if (auto value = must(store->kept->setting(setting)))
            state["setting/" + std::string(setting)] = as_text(value->view());
    if (auto account = must(store->kept->account(account_id))) state["account"] = account->address;
    for (const auto& post : must(store->kept->asked(account_id)))
        state["post/" + std::string(as_text(post.head))] = post.state;
    look_at_blobs(state);
    return state;
}

void Run::look_at_blobs(State& state) {
    // Those that may be there: a store does not list what no record names.
    std::set<BlobId> ids;
    auto note = [&](const State& from) {
        for (const auto& [what, content] : from)
            if (what.starts_with("blob/")) ids.insert(*BlobId::from_hex(what.substr(5)));
    };
    note(certain_);
    for (const auto& possible : possible_) note(possible);
    for (const auto& id : ids) {
        auto info = store->blobs->info(id);
        if (!info || info->state != BlobState::complete) continue;
        Bytes whole;
        for (std::uint64_t i = 0; i < history::piece_count(info->size); ++i)
            append(whole, must(store->blobs->read_piece(id, i)));
        state["blob/" + id.hex()] = as_text(whole);
    }
    // The totals, counted again.
    Totals count = must(store->history->totals());
    count.blobs = count.blobs_missing = count.blob_bytes = count.bytes_missing = 0;
    for (const auto& [what, size] : state) {
        if (!what.starts_with("names/")) continue;
        ++count.blobs;
        count.blob_bytes += std::stoull(size);
        if (state.contains("blob/" + what.substr(6))) continue;
        ++count.blobs_missing;
        count.bytes_missing += std::stoull(size);
    }
    CHECK(must(store->history->totals()) == count);
}

}  // namespace kith::store::test

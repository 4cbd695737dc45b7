// Keeps the index of texts (store/search_index.h) up to history, behind everything else: in slices of a few
// milliseconds on the loop, newest first, and not while `busy`. Its place is kept, so a crash repeats about a
// second's work.
//
// What arrives a little at a time is taken in the order of arrival. When much has arrived at once (a
// transfer, an import), history is walked anew from its newest end, past what is indexed already.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/profile.h"
#include "net/loop.h"
#include "store/history_search.h"

namespace kith::app {

class Indexer {
  public:
    // The profile must be open as long as this lives.
    Indexer(net::Loop& loop, Profile& profile, std::function<bool()> busy,
            std::function<void(const std::string&)> log);
    ~Indexer();

    // Records or blobs may have arrived.
    void wake();

    // These were erased: their texts are removed at once.
    void forget(std::span<const history::Key> keys);

    // Messages with all these words (store::search_expression), newest first; only what people see.
    Result<std::vector<store::ListedRecord>> search(std::string_view words, std::size_t limit);

    // How far a search reaches now.
    struct Reach {
        bool complete = false;
        // Not complete: of this time and later, everything is found. Nothing: nothing is sure.
        std::optional<std::uint64_t> back_to_ms;
        std::uint64_t indexed = 0, of = 0;  // records
    };
    Result<Reach> reach();

  private:
    void step();
    void later(std::int64_t delay_ms);
    void give_up_step(const Error& error);
    bool repaired();
    Result<bool> work(std::int64_t until_ms);
    Result<bool> refill(store::SearchIndex& index);
    Result<> take(store::SearchIndex& index, const history::Key& key);
    Result<> follow(store::SearchIndex& index, std::size_t most);
    void forget_queue();

    net::Loop& loop_;
    Profile& profile_;
    std::function<bool()> busy_;
    std::function<void(const std::string&)> log_;
    // What is being taken, and the place once all of it is.
    std::deque<history::Key> queue_;
    std::optional<store::IndexPlace> queue_end_;
    // The walk through entries that lacked a part, begun when blobs have arrived: its row, and the number of
    // missing blobs when it last began.
    std::optional<std::int64_t> partly_row_;
    std::optional<std::uint64_t> partly_missing_;
    std::int64_t kept_ms_ = 0;
    std::string last_trouble_;
    net::Timer timer_;
};

}  // namespace kith::app

// The index of texts: which messages hold which words. An encrypted database of its own, beside the
// profile's, that can be made anew from history at any time; so a damaged one is simply thrown away.
//
// Texts are not kept, only where their words occur. What is written survives a crash after keep(); before, a
// crash takes it back together with the place, so that the work is done again.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "history/record.h"
#include "store/database.h"

namespace kith::store {

// What of a message is searched: UTF-8, each may be empty.
struct SearchText {
    std::string from, to, subject, body, files;
};

// What an entry holds of its record.
enum class Indexed {
    nothing = 0,  // no text for people, or the record's bytes are not here
    partly = 1,   // a part of the text has not arrived yet
    whole = 2,
};

// How far the walk through history is. It has three parts, by the order of arrival (seq):
//   up to `done`      every record has an entry
//   up to `sweep`     those from the key `floor` up have one: the walk goes newest first
//   up to `followed`  every record has one: they came while the walk went on
// Without a walk under way all three are the same.
struct IndexPlace {
    std::int64_t done = 0, sweep = 0, followed = 0;
    history::Key floor;
    bool walking() const { return done != sweep; }
    bool operator==(const IndexPlace&) const = default;
};

// Words as a person writes them, as an expression of the index: all must occur. "two words" in quotes must
// stand together; a * at the end of a word stands for any ending. No other sign means anything.
// Fault::invalid when nothing is left to look for.
Result<std::string> search_expression(std::string_view words);

class SearchIndex {
  public:
    // Opens `file`, or makes it. One that is damaged, of another key or of a newer version is made anew.
    static Result<std::unique_ptr<SearchIndex>> open(std::filesystem::path file, const kith::Key& key);
    ~SearchIndex();

    // An operation found the file damaged: nothing but start_anew() is of use any more.
    bool damaged() const { return damaged_; }
    // Throws everything away: empty, at the beginning.
    Result<> start_anew();

    const IndexPlace& place() const { return place_; }
    std::uint64_t entries() const { return entries_; }  // of whatever kind
    Result<std::optional<Indexed>> entry(const history::Key& key) const;
    struct Hit {
        std::int64_t row = 0;  // rising rows are falling times
        history::Key key;
    };
    // Entries that are `partly`, those behind `row`, newest first.
    Result<std::vector<Hit>> partly(std::int64_t row, std::size_t limit) const;

    // Writing. After an error all that was not kept is undone, and place() is that of the last keep().
    // `add` replaces an entry. Quickest when the keys fall.
    Result<> add(const history::Key& key, Indexed indexed, const SearchText& text);
    Result<> move_to(const IndexPlace& place);
    Result<> keep();
    bool kept() const { return !open_; }
    // Forgets a record, and keeps that: find() gives it no more. Only a power cut may undo it, so who shows
    // hits asks history whether they are still shown.
    Result<> remove(const history::Key& key);

    // Entries that match an expression of search_expression(), newest first, those behind `row`. Within a
    // second, or in the neighbourhood of one with more than 16 records, the order may be another.
    Result<std::vector<Hit>> find(const std::string& expression, std::int64_t row, std::size_t limit) const;

  private:
    SearchIndex(std::filesystem::path file, kith::Key key);
    Result<> open_file();
    Result<> load();
    Result<std::int64_t> new_row(const history::Key& key);
    Result<std::optional<std::int64_t>> row_of(const history::Key& key) const;
    template <class Fn>
    Result<> write(Fn fn);
    template <class T>
    Result<T> noted(Result<T> result) const;

    std::filesystem::path file_;
    kith::Key key_;
    std::unique_ptr<Database> db_;
    std::optional<Transaction> open_;  // what was not kept yet
    IndexPlace place_;
    std::uint64_t entries_ = 0;
    // The row that was given last, and to whom.
    history::Key last_key_;
    std::int64_t last_row_ = -1;
    mutable bool damaged_ = false;
};

}  // namespace kith::store

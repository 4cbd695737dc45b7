// search_expression: what a person writes, as a query of FTS5 in which every word is a quoted string.
#include <algorithm>

#include "base/limits.h"
#include "store/search_index.h"

namespace kith::store {
namespace {

bool is_space(char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == 127;
}
// What may be part of a word; the index knows better what of the rest of Unicode is.
bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           static_cast<unsigned char>(c) >= 0x80;
}

struct Word {
    std::string_view text;
    bool prefix = false;
};

// Takes the next word off `rest`.
Word next_word(std::string_view& rest) {
    Word word;
    if (rest.front() == '"') {
        auto end = std::min(rest.find('"', 1), rest.size());
        word.text = rest.substr(1, end - 1);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        word.prefix = rest.starts_with('*');
        return word;
    }
    auto end = std::find_if(rest.begin(), rest.end(), [](char c) { return is_space(c) || c == '"'; });
    word.text = rest.substr(0, static_cast<std::size_t>(end - rest.begin()));
    rest.remove_prefix(word.text.size());
    word.prefix = word.text.ends_with('*');
    return word;
}

// The length of the last run of letters: what a * stands behind.
std::size_t last_run(std::string_view text) {
    auto end = std::find_if(text.rbegin(), text.rend(), is_letter);
    auto start = std::find_if_not(end, text.rend(), is_letter);
    return static_cast<std::size_t>(start - end);
}

}  // namespace

Result<std::string> search_expression(std::string_view words) {
    if (words.size() > limits::search_query)
        return fail(Fault::invalid, "that is too much to search for", "give a few words");
    std::string expression;
    std::size_t count = 0;
    auto rest = words;
    while (!rest.empty()) {
        if (is_space(rest.front())) {
            rest.remove_prefix(1);
            continue;
        }
        auto word = next_word(rest);
        if (last_run(word.text) == 0) continue;
        if (++count > limits::search_words)
            return fail(Fault::invalid, "these are too many words to search for",
                        "give " + std::to_string(limits::search_words) + " at most");
        if (word.prefix && last_run(word.text) < limits::search_prefix)
            return fail(Fault::invalid, "a single letter and * stand for too much",
                        "give at least " + std::to_string(limits::search_prefix) + " letters before the *");
        // Without an operator in between all must occur, and a string without a word in it means nothing.
        expression += expression.empty() ? "\"" : " \"";
        for (char c : word.text) expression += is_space(c) || c == '"' ? ' ' : c;
        expression += word.prefix ? "\" *" : "\"";
    }
    if (expression.empty())
        return fail(Fault::invalid, "there is no word to search for", "give words: letters or digits");
    return expression;
}

}  // namespace kith::store

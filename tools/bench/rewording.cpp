#include "rewording.h"

#include <algorithm>

#include "random.h"

namespace bench {
namespace {

// In more than one mail of this many, a word is common.
constexpr std::size_t common_share = 40;
// Lines of this many characters of base64 and nothing else are an encoded attachment.
constexpr std::size_t encoded_line = 40;

bool lower(char c) {
    return c >= 'a' && c <= 'z';
}
bool upper(char c) {
    return c >= 'A' && c <= 'Z';
}
bool letter(char c) {
    return lower(c) || upper(c);
}
bool digit(char c) {
    return c >= '0' && c <= '9';
}
bool high(char c) {
    return static_cast<unsigned char>(c) >= 0x80;
}
bool hex(char c) {
    return digit(c) || (c >= 'A' && c <= 'F');
}

// How long the token at the start is: letters and digits, or bytes of another script, plain or as =XX; else
// 0.
std::size_t token_size(std::string_view text) {
    std::size_t size = 0;
    if (letter(text[0]) || digit(text[0])) {
        while (size < text.size() && (letter(text[size]) || digit(text[size]))) ++size;
    } else if (high(text[0])) {
        while (size < text.size() && high(text[size])) ++size;
    } else {
        while (size + 2 < text.size() && text[size] == '=' && hex(text[size + 1]) && hex(text[size + 2]))
            size += 3;
    }
    return size;
}

std::uint64_t hash(std::string_view text, std::uint64_t seed) {
    std::uint64_t value = seed ^ 0xcbf29ce484222325;
    for (char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return Numbers::mix(value);
}

bool is_encoded(std::string_view line) {
    return line.size() >= encoded_line && std::all_of(line.begin(), line.end(), [](char c) {
               return letter(c) || digit(c) || c == '+' || c == '/' || c == '=';
           });
}

// Other characters of the same classes.
void scramble(std::string_view text, std::uint64_t seed, std::string& out) {
    Numbers numbers(seed);
    for (char c : text) {
        if (digit(c))
            out += static_cast<char>('0' + numbers.below(10));
        else if (lower(c))
            out += static_cast<char>('a' + numbers.below(26));
        else if (upper(c))
            out += static_cast<char>('A' + numbers.below(26));
        else if (high(c))
            out += static_cast<char>(0xa1 + numbers.below(0x5e));
        else
            out += c;
    }
}

void encode(std::string_view line, std::uint64_t seed, std::string& out) {
    static constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    Numbers numbers(seed);
    for (char c : line) out += c == '=' ? c : alphabet[numbers.below(alphabet.size())];
}

// Where the text behind a header field's name begins.
std::size_t field_value(std::string_view line) {
    auto colon = line.find(':');
    if (colon == std::string_view::npos ||
        line.substr(0, colon).find_first_of(" \t") != std::string_view::npos)
        return 0;
    return colon + 1;
}

template <class Take>
void each_token(std::string_view text, Take take) {
    for (std::size_t at = 0; at < text.size();) {
        auto size = token_size(text.substr(at));
        if (size > 0) take(text.substr(at, size));
        at += std::max<std::size_t>(size, 1);
    }
}

template <class Take>
void each_line(std::string_view text, Take take) {
    for (std::size_t at = 0; at < text.size();) {
        auto end = std::min(text.find('\n', at), text.size() - 1);
        take(text.substr(at, end + 1 - at));
        at = end + 1;
    }
}

std::string_view without_end(std::string_view line) {
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
    return line;
}

}  // namespace

std::size_t Rewording::Hash::operator()(std::string_view text) const {
    return hash(text, 0);
}

Rewording::Rewording(const std::vector<std::string>& mails) {
    struct Seen {
        std::size_t mails = 0;
        std::size_t last = 0;
        std::size_t times = 0;
    };
    std::unordered_map<std::string_view, Seen, Hash> seen;
    std::vector<std::string_view> order;  // of first occurrence: that of the map differs between libraries
    for (std::size_t number = 0; number < mails.size(); ++number)
        each_line(mails[number], [&](std::string_view line) {
            if (is_encoded(without_end(line))) return;
            each_token(line, [&](std::string_view token) {
                auto [at, fresh] = seen.try_emplace(token);
                if (fresh) order.push_back(token);
                if (at->second.last != number + 1) ++at->second.mails;
                at->second.last = number + 1;
                ++at->second.times;
            });
        });
    for (auto token : order) {
        const auto& found = seen.at(token);
        bool common = found.mails * common_share > mails.size();
        if (common) common_.emplace(token, true);
        if (common || !std::all_of(token.begin(), token.end(), lower) || token.size() >= by_length_.size())
            continue;
        for (std::size_t i = 0; i < found.times; ++i) {
            by_length_[token.size()].push_back(token);
            all_.push_back(token);
        }
    }
}

void Rewording::reword(std::string_view mail, std::uint64_t seed, std::string& out) const {
    bool header = true;
    each_line(mail, [&](std::string_view line) {
        auto bare = without_end(line);
        if (bare.empty()) header = false;
        if (is_encoded(bare)) {
            encode(bare, hash(bare, seed), out);
            out += line.substr(bare.size());
            return;
        }
        auto at = header ? field_value(line) : 0;
        out += line.substr(0, at);
        while (at < line.size()) {
            auto size = token_size(line.substr(at));
            if (size == 0) {
                out += line[at++];
                continue;
            }
            token(line.substr(at, size), seed, out);
            at += size;
        }
    });
}

void Rewording::token(std::string_view text, std::uint64_t seed, std::string& out) const {
    if (text.size() < 3 || common_.contains(text)) {
        out += text;
        return;
    }
    auto number = hash(text, seed);
    bool word = std::all_of(text.begin(), text.end(), letter);
    if (!word || text.size() >= by_length_.size() || by_length_[text.size()].empty()) {
        if (text[0] == '=')
            for (std::size_t i = 0; i < text.size(); i += 3) {
                static constexpr std::string_view digits = "0123456789ABCDEF";
                number = Numbers::mix(number + 1);
                out += '=';
                out += digits[8 + number % 8];
                out += digits[number / 8 % 16];
            }
        else
            scramble(text, number, out);
        return;
    }
    const auto& words = by_length_[text.size()];
    auto other = words[number % words.size()];
    for (std::size_t i = 0; i < other.size(); ++i)
        out += upper(text[i]) ? static_cast<char>(other[i] - 'a' + 'A') : other[i];
}

}  // namespace bench

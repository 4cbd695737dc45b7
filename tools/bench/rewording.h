// Makes many mails of one, so that no two share long stretches of text which different mails would not share.
//
// Rare words (those in few mails) give way to other rare words of the same length, drawn as often as they
// occur; within one mail the same word always gives way to the same word, so quotes, tags and boundaries
// still match. Numbers and ids get other digits and letters, encoded attachments other characters. Common
// words, markup and the names of header fields stay: they are what real mails have in common, and what short
// windows of a compressor live on.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace bench {

class Rewording {
  public:
    // The mails must outlive this.
    explicit Rewording(const std::vector<std::string>& mails);

    // Appends the mail's bytes, with other words for each `seed`, to `out`.
    void reword(std::string_view mail, std::uint64_t seed, std::string& out) const;
    // A rare word, whose number of letters is any.
    std::string_view word(std::uint64_t number) const { return all_[number % all_.size()]; }

  private:
    void token(std::string_view text, std::uint64_t seed, std::string& out) const;

    struct Hash {
        std::size_t operator()(std::string_view text) const;
    };
    std::unordered_map<std::string_view, bool, Hash> common_;
    // Rare words by length, each as often as it occurs.
    std::array<std::vector<std::string_view>, 24> by_length_;
    std::vector<std::string_view> all_;
};

}  // namespace bench

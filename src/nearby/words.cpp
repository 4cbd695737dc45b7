#include <array>

#include "crypto/hash.h"
#include "nearby/announcement.h"

namespace kith::nearby {

namespace {

constexpr std::array<std::string_view, 64> manners = {
    "amber",  "ample", "azure",  "bold",   "brave",  "brief",  "bright", "brisk",  "calm",  "civil", "clean",
    "clear",  "cool",  "coral",  "crisp",  "curly",  "dapper", "deep",   "eager",  "early", "fair",  "fancy",
    "fast",   "fine",  "fleet",  "fresh",  "gentle", "glad",   "golden", "grand",  "green", "happy", "hardy",
    "humble", "ivory", "jolly",  "keen",   "kind",   "lively", "lucky",  "mellow", "merry", "mild",  "misty",
    "neat",   "noble", "olive",  "pale",   "plain",  "polite", "proud",  "quick",  "quiet", "rapid", "rosy",
    "royal",  "ruby",  "silver", "smooth", "snowy",  "spry",   "steady", "sunny",  "swift"};

constexpr std::array<std::string_view, 64> things = {
    "acorn",  "anchor",  "apple",  "arrow",  "badger",  "bamboo",  "basket", "beacon",  "beaver", "birch",
    "bison",  "bridge",  "candle", "canyon", "castle",  "cedar",   "clover", "comet",   "condor", "cricket",
    "daisy",  "dolphin", "donkey", "ember",  "falcon",  "feather", "ferry",  "forest",  "garden", "ginger",
    "harbor", "hazel",   "heron",  "island", "jasmine", "kettle",  "ladder", "lantern", "lemon",  "lizard",
    "magnet", "maple",   "meadow", "melon",  "mirror",  "muffin",  "ocean",  "orchid",  "otter",  "paddle",
    "pebble", "pepper",  "pigeon", "planet", "pocket",  "rabbit",  "raven",  "ribbon",  "saddle", "salmon",
    "spoon",  "tulip",   "walnut", "willow"};

}  // namespace

std::string words_of(const LinkPublic& server_key) {
    const std::uint8_t zero = 0;
    const auto hash =
        crypto::Hasher().add("kith.nearby.words").add({&zero, 1}).add(server_key.view()).finish();
    return std::string(manners[hash[0] % 64]) + " " + std::string(things[hash[1] % 64]);
}

std::string plain_words(std::string_view typed) {
    std::string words;
    for (const char c : typed) {
        const bool gap = c == ' ' || c == '-' || c == '_' || c == '\t';
        if (!gap)
            words.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
        else if (!words.empty() && words.back() != ' ')
            words.push_back(' ');
    }
    while (!words.empty() && words.back() == ' ') words.pop_back();
    return words;
}

}  // namespace kith::nearby

// tests/vectors/roster/folds.json, whose expectations are those of another implementation (roster.py there).
#include <doctest/doctest.h>

#include "roster/people.h"
#include "roster/vectors.h"

using namespace kith;
using namespace kith::roster;
using namespace kith::roster::test;
using nlohmann::json;

namespace {

std::string standing_name(Standing standing) {
    return standing == Standing::open ? "open" : standing == Standing::counts ? "counts" : "void";
}

json described(const State& state) {
    json devices = json::array(), standing = json::object();
    for (const auto& device : state.devices)
        devices.push_back(
            {{"id", device.id.hex()}, {"name", device.name}, {"state", device_state_name(device.state)}});
    for (const auto& line : state.lines) standing[line.id.hex()] = standing_name(line.standing);
    auto ids = [](std::vector<EntryId> list) {
        std::sort(list.begin(), list.end());
        json texts = json::array();
        for (const auto& id : list) texts.push_back(id.hex());
        return texts;
    };
    return {{"devices", devices},
            {"standing", standing},
            {"heads", ids(state.heads)},
            {"recovery", state.founded ? json(state.recovery.hex()) : json()},
            {"disputed", state.recovery_disputed},
            {"pending", ids(state.pending)},
            {"refused", ids(state.refused)}};
}

}  // namespace

TEST_CASE("every roster of the vectors folds to what another implementation made of it") {
    REQUIRE(crypto::start());
    const auto v = read_vectors("folds.json");
    REQUIRE(v.at("cases").size() > 30);
    for (const auto& item : v.at("cases")) {
        CAPTURE(item.at("name").get<std::string>());
        std::vector<Entry> entries;
        for (const auto& pair : item.at("entries")) {
            const Bytes signature = *from_hex(pair[1].get<std::string>());
            auto entry = read_entry(as_bytes(pair[0].get<std::string>()), *Signature::from(signature));
            REQUIRE(entry);
            entries.push_back(std::move(*entry));
        }
        const auto person = *PersonId::from_hex(item.at("person").get<std::string>());
        CHECK(described(*fold(person, entries)) == item.at("fold"));
    }
}

TEST_CASE("bytes and sheets of the vectors are read, or refused for the reason that is given") {
    const auto v = read_vectors("folds.json");
    for (const auto& item : v.at("entries")) {
        const auto text = item[1].get<std::string>();
        CAPTURE(text);
        CHECK(read_entry(as_bytes(text), {}).has_value() == (item[0] == "good"));
    }
    const std::map<std::string, std::string> words{{"typing mistake", "typing mistake"},
                                                   {"too short", "too short"},
                                                   {"too long", "too long"},
                                                   {"no sheet", "not a recovery sheet"},
                                                   {"newer", "newer version"}};
    for (const auto& item : v.at("sheets")) {
        const auto text = item[1].get<std::string>();
        CAPTURE(text);
        const auto sheet = decode_sheet(text);
        if (item[0] == "good")
            CHECK(sheet);
        else
            CHECK(sheet.error().what.find(words.at(item[0])) != std::string::npos);
    }
}

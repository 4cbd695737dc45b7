// What belongs to an account as a whole in the reference client's store: its configuration, its address book,
// the names of its tags.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "tmtp/client.h"

namespace kith::mnm {

struct Config {
    std::string name;
    std::string address;  // "=host:port", or "+host:port" where certificates are verified
    std::string alias, uid;
    SecretBytes node;  // this node's secret
};
// Fault::corrupt. The caller wipes the text.
Result<Config> read_config(std::string_view json);

// Somebody one can write to, or a group that one is in.
struct Contact {
    std::string alias;
    std::string uid;  // of a group: empty
    std::uint64_t met_ms = 0;
};
struct AddressBook {
    // Pings and invitations that were received, as the deliveries that they were.
    std::vector<tmtp::Delivered> received;
    std::vector<Contact> contacts;  // of each alias the last word, by alias
};
// `skipped` is told of each entry that cannot be one.
Result<AddressBook> read_address_book(std::string_view json, std::size_t& skipped);

// From a tag's id to its name. An id without one is a name itself.
Result<std::map<std::string, std::string>> read_tags(std::string_view json);

// How many messages wait to be sent.
Result<std::size_t> read_queue(std::string_view json);

}  // namespace kith::mnm

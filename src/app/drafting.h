// A message as its writer thinks of it, made into the request that a service is sent.
#pragma once

#include <string>
#include <vector>

#include "app/profile.h"
#include "tmtp/ops.h"

namespace kith::app {

struct DraftedMessage {
    std::vector<std::string> to;      // aliases or uids
    std::vector<std::string> groups;  // names
    std::vector<std::string> notify;  // aliases or uids: they get the note alone, with the message's id
    std::string note, subject, body, thread;
    std::vector<std::string> attach;  // paths
    bool to_all = false;              // an answer goes to all that the message went to
};

// Fills in what follows from the message that is answered: its thread, its sender (of one's own message, whom
// it went to; of one to several, with `to_all`, them too) unless recipients are given, its subject unless one
// is given. Result: the account that it came by.
Result<AccountId> answer_to(Profile& profile, const std::string& record_id, DraftedMessage& draft);

// What makes a message's bytes its own: tmtp::Draft::key.
std::string message_key(Profile& profile);

// Fault::not_found for an alias that is not known or a file that cannot be read; invalid for what is too
// large, or goes to nobody.
Result<tmtp::Asking> compose(Profile& profile, const store::Account& account, const DraftedMessage& draft,
                             Now now);

}  // namespace kith::app

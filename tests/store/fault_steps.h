// What is done to a store on a FaultDisk. Equal numbers make equal content, other numbers other content.
#pragma once

#include "store/fault_run.h"

namespace kith::store::test {

// A batch of `count` mails and a message, and a mail that names the blob of this number.
Step add_step(std::uint64_t number, std::size_t count);
Step profile_step(std::uint64_t number);
Step write_blob_step(std::uint64_t number);
Step receive_step(std::uint64_t number);
Step receive_large_step();  // of more pieces than are received between two syncs
Step reopen_step();

// A little of everything: these and larger transactions, abandoned ones, the outbox, blobs that are received.
std::vector<Step> small_script();
std::vector<Step> random_script(SeededRandom& random, std::size_t steps);

}  // namespace kith::store::test

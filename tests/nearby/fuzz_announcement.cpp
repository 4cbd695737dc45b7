// The data of a TXT record, from anybody on the network. What is read must come back the same.
#include <cstdlib>

#include "nearby/announcement.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace kith;
    using namespace kith::nearby;
    const auto found = from_rdata({data, size});
    if (!found || found->kind == Kind::newer) return 0;
    // A longer tag than ours fits no string that we write.
    if (found->tag.size() > 100) return 0;
    const auto again = from_rdata(to_rdata(to_strings(*found)));
    if (!again || again->kind != found->kind || again->addresses != found->addresses ||
        again->server_key != found->server_key || again->port != found->port || again->tag != found->tag)
        std::abort();
    return 0;
}

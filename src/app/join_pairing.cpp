#include "app/join_pairing.h"

#include "base/limits.h"

namespace kith::app {

Entering::Events JoinPairing::entering_events() {
    Entering::Events events;
    events.on_code = events_.on_code;
    events.on_code_wrong = events_.on_code_wrong;
    events.introduced = [this](ByteView bytes, const std::string& address) {
        return introduced(bytes, address);
    };
    events.accepted = [this](ByteView verdict) -> Result<> {
        KITH_TRY_VALUE(entries, roster::unpack_entries(verdict));
        KITH_TRY(profile_.add_entries(entries, loop_.now().unix_ms));
        return {};
    };
    events.on_end = [this](Result<> result, bool undecided) {
        auto call = std::move(events_.on_end);
        const auto host = host_;
        if (result)
            call(host, undecided);
        else
            call(fail(result.error()), undecided);
    };
    return events;
}

Result<Bytes> JoinPairing::introduced(ByteView bytes, const std::string& address) {
    KITH_TRY_VALUE(introduction, decode_introduction(bytes));
    KITH_TRY_VALUE(
        state, roster::check_introduction(introduction.entries, introduction.link_key, introduction.act_key));
    const auto* host = state.link_allowed(introduction.link_key);
    if (!host || host->id != introduction.device)
        return fail(Fault::protocol, "the host is not who it says it is");
    host_ = host->id;
    // Its peer link will be where it is now, too: by an address that means something here alone, perhaps.
    if (!introduction.endpoints.empty() && !address.empty()) {
        const auto& other = introduction.endpoints.front();
        const auto host_part = net::to_text({address, 0});
        introduction.endpoints.insert(
            introduction.endpoints.begin(),
            host_part.substr(0, host_part.size() - 1) + other.substr(other.rfind(':') + 1));
        if (introduction.endpoints.size() > limits::link_endpoints) introduction.endpoints.pop_back();
    }
    KITH_TRY_VALUE(request, events_.ask(introduction, state));
    return encode_reply({events_.endpoints(), std::move(request)});
}

}  // namespace kith::app

// The client machine fed with any bytes. The first byte decides how it got there; 0xff in the stream (which
// JSON cannot hold) is an event of the app's own.
#include <cstdint>

#include "tmtp/client.h"

using namespace kith;
using namespace kith::tmtp;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    Now now{1000, 1'700'000'000'000};
    bool fresh = data[0] & 1, restores = data[0] & 16;
    std::optional<Client::Founding> founding;
    if (data[0] & 8) founding = {to_bytes("roster"), SecretBytes(as_bytes("N"))};
    Client client = restores ? Client::restoring("U")
                    : fresh  ? Client::registering("Alice Adams", "label", data[0] & 32 ? "token" : "",
                                                   std::move(founding))
                             : Client::login("U", SecretBytes(as_bytes("N")));
    client.add_node("second", data[0] & 2, now);
    client.connected(now);
    if (data[0] & 4) {
        client.received(as_bytes(encode(TmtpRevReply{"1", "site", 0, {}})), now);
        if (fresh)
            client.received(as_bytes(encode(RegisteredReply{"U", SecretBytes(as_bytes("N")), ""})), now);
        client.received(as_bytes(encode(InfoReply{"login ok", {}})), now);
    }
    ByteView rest(data + 1, size - 1);
    auto use = [&](ClientActions actions) {
        for (auto& action : actions) {
            if (auto* got = std::get_if<Delivered>(&action)) {
                read_message(got->data(), got->datahead, got->data().size());
                client.acked(got->msgid, now);
            }
            if (auto* node = std::get_if<NodeAdded>(&action)) client.acked(node->msgid, now);
            if (std::get_if<ProofWanted>(&action)) client.prove(to_bytes("proof"), now);
        }
    };
    while (!rest.empty()) {
        std::size_t run = 0;
        while (run < rest.size() && rest[run] != 0xff) ++run;
        use(client.received(rest.first(run), now));
        rest = rest.subspan(run);
        if (rest.empty()) break;
        rest = rest.subspan(1);
        now.mono_ms += 700;
        use(client.tick(now));
        if (!rest.empty() && rest[0] == '!') {
            use(client.ask("p", {Post{}, to_bytes("x")}, now));
        }
        if (!rest.empty() && rest[0] == '?') use(client.ask("r", {Roster{}, to_bytes("entries")}, now));
        if (!rest.empty() && rest[0] == '~') use(client.connected(now));
    }
    use(client.quit(now));
    use(client.disconnected(now));
    return 0;
}

// A bell: what a new device shows with `kith device join --show`, so that the old one scans instead. It says
// where the new device listens, and under which one-use key. Who rings there hands over an ordinary offer;
// all else is done with that. Formats, and what strangers can do: src/pairing/README.md, "The bell".
//
// A bell is worth no more than an offer: it sets up nothing by itself, and two who ring end it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/env.h"
#include "base/id.h"
#include "base/result.h"
#include "pairing/offer.h"
#include "wire/frame.h"

namespace kith::pairing {

struct Bell {
    LinkPublic server_key;             // one-use; who has not seen the text does not have it
    std::uint32_t expires_unix_s = 0;  // advisory: who shows the bell judges, on its monotonic clock
    std::uint16_t port = 0;
    std::vector<Address> addresses;  // in the order to try; loopback last
};

// "KITH-JOIN:" and base32, at most limits::offer_text_qr characters; addresses that do not fit are left out
// as in an offer. Fails without an address or a port.
Result<std::string> encode_bell(const Bell& bell);
// Reads it however it was pasted. An offer, a card, a sheet, a typing mistake and a newer version each have a
// sentence of their own.
Result<Bell> decode_bell(std::string_view text);

// The new device's side, a machine without I/O. Its owner listens with the bell's key, takes `client` from
// the connection, and calls `tick` now and then.
namespace porter {
struct Send {
    LinkPublic client;
    wire::Frame frame;
};
struct Rung {  // join with this offer
    std::string offer;
};
struct Ended {  // nobody is to be joined by this bell: end what was begun with its offer
    Error error;
};
}  // namespace porter
using PorterAction = std::variant<porter::Send, porter::Rung, porter::Ended>;
using PorterActions = std::vector<PorterAction>;

class Porter {
  public:
    enum class State {
        waiting,
        rung,      // an offer was taken; a second one would end it
        answered,  // the code was right: what others say does not matter any more
        ended,
    };
    Porter(std::int64_t valid_ms, Now now) : expires_ms_(now.mono_ms + valid_ms) {}

    PorterActions received(const LinkPublic& client, const wire::Frame& frame);
    PorterActions tick(Now now);
    void code_was_right();
    State state() const { return state_; }

  private:
    std::int64_t expires_ms_;
    State state_ = State::waiting;
    LinkPublic client_;
    Bytes offer_;
};

// The old device's side. Its owner dials the bell's addresses, pinned to its key, with a key made for this.
namespace ringer {
struct Send {
    wire::Frame frame;
};
struct Handed {  // the new device has the offer, and dials
};
struct Failed {
    Error error;
};
}  // namespace ringer
using RingerAction = std::variant<ringer::Send, ringer::Handed, ringer::Failed>;
using RingerActions = std::vector<RingerAction>;

class Ringer {
  public:
    enum class State { dialing, rung, handed, failed };
    Ringer(std::string offer, Now now);

    // The link stands; also when it was set up anew.
    RingerActions connected();
    RingerActions received(const wire::Frame& frame);
    RingerActions tick(Now now);
    State state() const { return state_; }

  private:
    RingerActions end(Error error);

    std::string offer_;
    std::int64_t until_ms_;
    State state_ = State::dialing;
};

}  // namespace kith::pairing

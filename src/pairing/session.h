// What both pairing machines share: their messages, what binds them together, and the keys that come of it.
// Of use to src/pairing alone; the formats are in its README.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/id.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/cpace.h"
#include "pairing/offer.h"
#include "wire/frame.h"

namespace kith::pairing {

using Nonce = Id<struct PairingNonceTag, 16>;
using Tag32 = Id<struct PairingTag32Tag, 32>;

// The first message, joiner to host.
struct Hello {
    Nonce nonce;
    crypto::CpaceShare share;  // Ya
    Tag32 self;                // random, the same in all hellos of one joiner: it is told to the host alone
    Tag32 proof;
};
// The answer, host to joiner.
struct Ready {
    Nonce nonce;
    Tag32 proof;
};
// Host to joiner, once the code was typed.
struct Share {
    crypto::CpaceShare share;  // Yb
    Tag32 tag;
};

// The key of the two proofs: from the offer's secret (or its absence) and id.
Key offer_key(const Offer& offer);

// The messages that come before there are keys. Reading checks form only; making also computes the proof.
wire::Frame make_hello(Hello& hello, const Key& offer_key, const LinkPublic& client);
wire::Frame make_ready(Ready& ready, const Key& offer_key, const LinkPublic& client,
                       const wire::Frame& hello);
wire::Frame make_share(const Share& share);
wire::Frame make_tag(const Tag32& tag);
wire::Frame make_over();
Result<Hello> read_hello(const wire::Frame& frame);
Result<Ready> read_ready(const wire::Frame& frame);
Result<Share> read_share(const wire::Frame& frame);
Result<Tag32> read_tag(const wire::Frame& frame);
// The op of a frame that is small enough to be one of ours; empty otherwise.
std::string frame_op(const wire::Frame& frame);

bool hello_proven(const Hello& hello, const Key& offer_key, const LinkPublic& client);
bool ready_proven(const Ready& ready, const Key& offer_key, const LinkPublic& client,
                  const wire::Frame& hello);

// A side's run of CPace for this session.
crypto::Cpace start_cpace(std::string_view code, const Offer& offer, const crypto::Hash& offer_id,
                          const LinkPublic& client, const Nonce& joiner_nonce, Random& random);

// What the CPace key gives: two tags and a sealing key for each direction.
struct SessionKeys {
    Tag32 host_tag;
    Tag32 joiner_tag;
    Key host_seal;
    Key joiner_seal;
};
SessionKeys session_keys(const crypto::CpaceKey& isk);
bool same_tag(const Tag32& a, const Tag32& b);

// Sealed messages. Each op has its direction and number, so none can stand for another.
inline constexpr std::string_view op_introduction = "introduction", op_reply = "reply",
                                  op_verdict = "verdict", op_done = "done", op_over = "over";
wire::Frame seal_message(const SessionKeys& keys, std::string_view op, ByteView plain);
std::optional<Bytes> open_message(const SessionKeys& keys, std::string_view op, const wire::Frame& frame);

// `digits` decimal digits, each value equally likely.
std::string random_code(int digits, Random& random);
// The digits alone, of what a person typed. Nothing when it cannot be a code of this length.
std::optional<std::string> normalise_code(std::string_view typed, int digits);

}  // namespace kith::pairing

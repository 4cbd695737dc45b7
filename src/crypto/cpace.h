// CPace, a balanced password-authenticated key exchange: draft-irtf-cfrg-cpace-21, cipher suite
// CPACE-RISTR255-SHA512, initiator-responder setting (section 7 and 8.3; the vectors of appendix B.3 are in
// tests/vectors/cpace). Two sides that know the same low-entropy secret get the same strong key; who does not
// know it can try one guess per run, and learns nothing else. The key is not confirmed here: the caller has
// both sides prove that they have it before using it.
#pragma once

#include <initializer_list>
#include <optional>

#include "base/bytes.h"
#include "base/env.h"
#include "base/id.h"
#include "base/secret.h"

namespace kith::crypto {

using CpaceShare = Id<struct CpaceShareTag, 32>;  // Ya or Yb: an encoded ristretto255 element
using CpaceKey = Secret<64>;                      // the draft's ISK

// One side of one run. Making it draws the scalar from `random`: a run must never be repeated with another
// secret under the same scalar, so each run has its own object.
//   prs: the shared secret. ci: what identifies the two sides and the channel. sid: unique to the session.
// All three must be equal on both sides, or the keys differ. They are only read by the constructor.
class Cpace {
  public:
    Cpace(ByteView prs, ByteView ci, ByteView sid, Random& random);

    // What the other side gets.
    const CpaceShare& share() const { return share_; }

    // The key, from the other side's share and both sides' associated data, on the side that ...
    // ... began (A, whose share went first):
    std::optional<CpaceKey> finish_initiator(const CpaceShare& theirs, ByteView own_ad,
                                             ByteView their_ad) const;
    // ... answered (B):
    std::optional<CpaceKey> finish_responder(const CpaceShare& theirs, ByteView own_ad,
                                             ByteView their_ad) const;
    // Nothing when `theirs` is no element of the group or the neutral one: the run must be given up.

  private:
    std::optional<Key> shared_point(const CpaceShare& theirs) const;

    Bytes sid_;
    Key scalar_;
    CpaceShare share_;
};

// Whether `share` is an element with which a run can end: lets a bad one be refused before a person is asked.
bool cpace_share_valid(const CpaceShare& share);

// The draft's length-value concatenation (lv_cat): each part preceded by its length in LEB128.
Bytes lv_cat(std::initializer_list<ByteView> parts);

// The draft's calculate_generator, in the open for the vectors.
CpaceShare cpace_generator(ByteView prs, ByteView ci, ByteView sid);

}  // namespace kith::crypto

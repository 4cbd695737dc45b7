// Who may have a node, where the account's owner says so with signed entries (README.md, "Node control"). The
// server machine keeps their bytes and does what these rules say; what the entries mean is not its business.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace kith::tmtp {

struct RuledNode {
    enum Standing {
        active,
        held,  // may not log in; its queue waits
        out,   // for good: the queue need not wait
    };
    Bytes device;       // its name in the account's roster, 32 bytes
    Bytes secret_hash;  // BLAKE2b-256 of its nodeid
    Standing standing = active;
    bool contested = false;      // it waits for a decision, however long that takes
    bool was_contested = false;  // before the fresh entries
    bool was_active = false;     // before the fresh entries: if it has no node, the operator took that away
};
struct Ruling {
    Bytes fresh;  // what is to be kept of that which came
    std::vector<RuledNode> nodes;
};

// Bytes are lists of entries as src/roster packs them. Fault::refused: what came does not fit, and changes
// nothing.
class NodeRules {
  public:
    virtual ~NodeRules() = default;
    // The beginning of an account's roster, whole.
    virtual Result<Ruling> found(ByteView log) const = 0;
    // `kept` with `fresh`, which may be empty: then it is told what `kept` means.
    virtual Result<Ruling> judge(ByteView kept, ByteView fresh) const = 0;
    // Whether `fresh` has entries that `kept` has not. Cheap, unlike judging.
    virtual bool brings_news(ByteView kept, ByteView fresh) const = 0;
    // The key that recovers the account. Fault::refused when none does now.
    virtual Result<Bytes> recovery(ByteView kept) const = 0;
    // Whether that key has signed these bytes.
    virtual bool proves(ByteView key, ByteView bytes, ByteView proof) const = 0;
};

}  // namespace kith::tmtp

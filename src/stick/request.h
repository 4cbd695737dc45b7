// What a new device asks with when it is set up by a stick, and the fingerprint by which its owner vouches
// for it. The form, and what each part is good for: README.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/env.h"
#include "base/id.h"
#include "base/result.h"
#include "crypto/hash.h"
#include "roster/entry.h"

namespace kith::stick {

// 96 bits of the request's hash. A secret as long as the request is on its way: it opens the request.
using Fingerprint = Id<struct FingerprintTag, 12>;

// "ABCD-EFGH-IJKL-MNOP-QRST-UVWX"
std::string to_text(const Fingerprint& fingerprint);
// As typed. Fault::invalid tells a typing mistake from too few or too many letters.
Result<Fingerprint> read_fingerprint(std::string_view text);

struct Request {
    LinkPublic key;                // one-use; the payload is sealed to it
    roster::SignedRequest device;  // of a person that it does not name
    std::optional<std::vector<std::string>>
        accounts;  // the selection, by the names that its owner gave; nothing: all
    std::optional<std::uint64_t> since_ms, largest;
};

// Its exact bytes, which are what is hashed.
Bytes encode_request(const Request& request);
Result<Request> decode_request(ByteView bytes);
crypto::Hash hash_of(ByteView request);
Fingerprint fingerprint_of(ByteView request);

// The file: the request sealed under its own fingerprint.
Bytes seal_request(ByteView request, Random& random);
// The request's bytes. Fault::invalid: no such file, or of a newer version. Fault::refused: the fingerprint
// is another request's, or the file was changed.
Result<Bytes> open_request(ByteView file, const Fingerprint& fingerprint);

}  // namespace kith::stick

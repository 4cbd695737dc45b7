// Entries: the signed lines of a roster, and the signed request by which a device asks to be added. This
// header is about form: making, signing and reading them. What they mean together is roster/roster.h. The
// format, byte by byte, is in src/roster/README.md.
//
// The bytes that were signed are kept and passed on as they came; nothing is ever encoded again to be
// checked.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/env.h"
#include "base/id.h"
#include "base/result.h"
#include "crypto/keys.h"

namespace kith::roster {

using RequestNonce = Id<struct RequestNonceTag, 16>;

// A device's request to be added, as it travels: exact bytes and two signatures over them.
struct SignedRequest {
    Bytes bytes;
    Signature by_device;  // with the device key
    Signature by_act;     // with the act key

    DeviceId id() const;
    bool operator==(const SignedRequest&) const = default;
};
struct Request {
    PersonId person;  // zero: an open request, of a device that could not know whose it would be (src/stick)
    std::string name;
    SignPublic device_key;  // everyday signatures: receipts, records
    SignPublic act_key;     // signs roster entries
    LinkPublic link_key;    // the peer link
    RequestNonce nonce;
    bool may_join(const PersonId& other) const { return person == other || person.is_zero(); }
};
// Fails when `name` is empty, longer than limits::name_bytes, or no printable UTF-8.
Result<SignedRequest> make_request(const PersonId& person, std::string_view name,
                                   const crypto::SignKey& device_key, const crypto::SignKey& act_key,
                                   const LinkPublic& link_key, Random& random);
Result<SignedRequest> make_request(const PersonId& person, std::string_view name,
                                   const crypto::SignKey& device_key, const crypto::SignKey& act_key,
                                   const LinkPublic& link_key, const RequestNonce& nonce);
// Checks the form and both signatures.
Result<Request> read_request(const SignedRequest& request);

// Who signed: a device (with its act key), or the recovery key when absent.
using Signer = std::optional<DeviceId>;

struct Genesis {  // the first entry; its id is the person
    SignPublic recovery;
    std::array<std::uint8_t, 32> nonce{};
};
struct Add {
    SignedRequest request;
};
struct Rename {
    DeviceId device;
    std::string name;
};
struct Bar {
    DeviceId device;
    std::optional<EntryId> last;  // the target's last entry that counts; absent: none does
    bool erase = false;           // the target is to erase its keys when it learns of this
};
struct Contest {  // by the target of a bar
    EntryId bar;
};
struct Lift {
    EntryId bar;
};
struct Cut {
    DeviceId device;
    std::optional<EntryId> last;
};
struct Recover {
    std::optional<SignPublic> recovery;  // the key that replaces the recovery key
    std::vector<Cut> cuts;
    std::vector<DeviceId> bars;
};
using Act = std::variant<Genesis, Add, Rename, Bar, Contest, Lift, Recover>;
std::string_view act_name(const Act& act);

struct Body {
    std::optional<PersonId> person;  // absent in genesis alone
    Signer signer;
    std::uint64_t counter = 0;  // the signer's entries, counted from 1
    std::vector<EntryId> heads;
    std::int64_t time_ms = 0;  // informative: nothing is decided by it
    Act act;
};

struct Entry {
    EntryId id;  // hash of `bytes`
    Bytes bytes;
    Signature signature;
    Body body;  // what `bytes` say
};

// Encodes and signs. Fails when the body breaks a limit.
Result<Entry> sign_entry(const Body& body, const crypto::SignKey& key);
// The bytes of the genesis as kith writes it: nothing but its keys is in it.
Bytes encode_genesis(const Genesis& genesis);
// Reads exact bytes. Checks the form alone: whether the signature holds depends on the signer's key, which
// only the roster knows.
Result<Entry> read_entry(ByteView bytes, const Signature& signature);
bool signed_by(const Entry& entry, const SignPublic& key);
// The person whose genesis this is.
inline PersonId person_of(const EntryId& genesis) {
    return PersonId{genesis.bytes};
}

// Entries in one byte string, for links, introductions and files: for each the length of its bytes (u32), the
// bytes, the signature (64).
Bytes pack_entries(std::span<const Entry> entries);
Result<std::vector<Entry>> unpack_entries(ByteView bytes);

// The same for a request, in a reply.
Bytes pack_request(const SignedRequest& request);
Result<SignedRequest> unpack_request(ByteView bytes);

}  // namespace kith::roster

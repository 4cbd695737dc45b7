// Records made by kith itself (contact, mark, tag, card, account, recipients, erasure): content signed by the
// device that made them. The content is the signature (64 bytes) and then a JSON head, which it covers; the
// head names purpose, version, device, account and time, so it can stand for no other record.
#pragma once

#include <string>

#include "base/id.h"
#include "crypto/keys.h"
#include "history/record.h"

namespace kith::history {

// `fields` is a JSON object's inside without braces, as `"address":"=host:1","uid":"x"`, or empty; the kind's
// own fields as src/history/README.md gives them.
Record make_signed(std::string_view kind, const AccountId& account, std::uint64_t time_ms,
                   const DeviceId& device, const crypto::SignKey& device_key, const std::string& fields);

struct SignedContent {
    DeviceId device;
    std::string head;  // the JSON text
    Signature signature;
    // Whether this device key made it: the caller finds the key of `device` in the roster.
    bool signed_by(const SignPublic& device_key) const;
};
// Checks the form, and that the head says what the record says. Fault::protocol otherwise.
Result<SignedContent> read_signed(const Record& record);

}  // namespace kith::history

// Receipts: what both devices sign at the end of a transfer. The bytes that are signed are JSON and specified
// in src/app/README.md; whoever keeps one can show later what was handed over, and that it was all.
#pragma once

#include "base/id.h"
#include "base/result.h"
#include "history/digest.h"
#include "history/selection.h"

namespace kith::app {

struct Receipt {
    PersonId person;
    DeviceId from, to;
    history::Digest digest;
    history::Selection filter;  // what the transfer was limited to
    std::int64_t time_ms = 0;
};

Bytes make_receipt(const Receipt& receipt);
Result<Receipt> read_receipt(ByteView bytes);

}  // namespace kith::app

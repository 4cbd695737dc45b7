// `--scan`: a text of kith read from its QR code, in a picture's file or before a camera. Here, and not in
// the daemon, for pictures come from anywhere, and the daemon has the keys.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/context.h"
#include "pairing/offer.h"

namespace kith::cli {

// Whether a text is what is looked for; the error says what it is instead.
using Reads = std::function<Result<>(std::string_view text)>;

// `from` is a PNG or JPEG file, or a V4L2 device, which is looked through until it sees a text that `reads`
// takes (two minutes at most). Other codes in the picture do no harm. Otherwise the error says what was seen
// instead.
Result<std::string> scan_text(Context& context, const std::string& from, const Reads& reads);
// An offer of this kind.
Result<std::string> scan_offer(Context& context, const std::string& from, pairing::OfferKind kind);
// The same for what `kith device join --show` shows.
Result<std::string> scan_bell(Context& context, const std::string& from);

}  // namespace kith::cli

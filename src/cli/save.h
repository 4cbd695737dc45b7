// Bytes of a history item, fetched piece by piece, and attachments written as files whose names strangers
// chose.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "cli/context.h"

namespace kith::cli {

// Hands the bytes of the item `id`, or of its attachment number `attachment`, to `take` in order, in pieces
// of at most limits::control_piece. What `take` returns as an error ends it.
Result<> fetch_bytes(const Context& context, const std::string& id, std::optional<std::size_t> attachment,
                     const std::function<Result<>(ByteView)>& take);

// A name for a file in a folder of ours: no path, no leading dot, nothing that controls a terminal, not too
// long. "attachment-N" (N from 1) when nothing is left.
std::string safe_file_name(std::string_view wanted, std::size_t number);

// Writes attachment `number` (from 0) of `id` into `folder` under a safe and free name ("photo (2).jpg"),
// never over a file that is there. What was written in part is removed when it fails. Returns the path.
Result<std::filesystem::path> save_attachment(const Context& context, const std::string& id,
                                              std::size_t number, std::string_view wanted,
                                              const std::filesystem::path& folder);

// A new file with this text, for its owner alone; never over a file that is there.
Result<> save_text(const std::filesystem::path& path, std::string_view text);

}  // namespace kith::cli

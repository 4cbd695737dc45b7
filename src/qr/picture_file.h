// PNG and JPEG files as pictures: a screenshot, a photograph. A file may come from anybody: its size and its
// picture's size are bounded before either is in memory.
#pragma once

#include <filesystem>

#include "base/bytes.h"
#include "base/result.h"
#include "qr/reader.h"

namespace kith::qr {

// Fault::invalid when it is neither, too large or damaged, in words that say what would do.
Result<Picture> decode_picture(ByteView file);
// The same from the file. Fault::not_found, io.
Result<Picture> read_picture(const std::filesystem::path& path);

}  // namespace kith::qr

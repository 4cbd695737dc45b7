// PNG and JPEG files as pictures: a screenshot, a photograph. A file may come from anybody: its size and its
// picture's size are bounded before either is in memory. And a code as a PNG file, to print or to send.
#pragma once

#include <filesystem>

#include "base/bytes.h"
#include "base/result.h"
#include "qr/qr.h"
#include "qr/reader.h"

namespace kith::qr {

// Fault::invalid when it is neither, too large or damaged, in words that say what would do.
Result<Picture> decode_picture(ByteView file);
// The same from the file. Fault::not_found, io.
Result<Picture> read_picture(const std::filesystem::path& path);

// A PNG file of the code, black on white, quiet zone 4 as the standard asks, each module several pixels wide.
Result<Bytes> to_png(const Code& code);

}  // namespace kith::qr

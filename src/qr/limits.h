// Limits of this layer, with their reasons.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kith::limits {

// A picture's file, and its pixels: what telephones take. A small file can unpack to terabytes.
inline constexpr std::size_t picture_file_bytes = 64 * 1024 * 1024;
inline constexpr std::uint64_t picture_pixels = 64 * 1024 * 1024;
inline constexpr std::uint64_t picture_side = 32 * 1024;
// Codes looked at in one picture: a sheet full of them, not a picture that is made of them.
inline constexpr std::uint8_t picture_codes = 32;
// A camera that gives no picture for so long does not work.
inline constexpr int camera_frame_ms = 5000;
// What is asked of a camera: enough for a code of version 6 that fills a quarter of the picture.
inline constexpr unsigned camera_width = 1280, camera_height = 720;

}  // namespace kith::limits

// TMTP's framing, version 1: `hhhh` (four hexadecimal digits: the header's size) + JSON header + raw data, of
// which the header's "datalen" gives the size. Formats in README.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "tmtp/head.h"

namespace kith::tmtp {

// Takes a stream of bytes apart, incrementally. It buffers a header (64 KiB at most) and never data, so data
// may be of any size:
//
//     for (;;) switch (reader.next(in)) {       // `in` is moved past what was read
//         case Got::more: return;               // `in` is used up
//         case Got::head: ...reader.raw(), reader.head(), reader.datalen()
//         case Got::data: ...reader.data()      // a piece, borrowed from `in`
//         case Got::end:  ...the message is complete (comes after head also when there is no data)
//         case Got::bad_length: case Got::bad_header: ...the stream cannot be read any further
//     }
class FrameReader {
  public:
    enum class Got { more, head, data, end, bad_length, bad_header };

    Got next(ByteView& in);

    // The header exactly as received, `hhhh` included; parsed; and its "datalen" (0 when absent). Valid from
    // Got::head to Got::end.
    const std::string& raw() const { return raw_; }
    const Head& head() const { return *head_; }
    std::uint64_t datalen() const { return datalen_; }
    bool has_datalen() const { return has_datalen_; }
    // Valid after Got::data until the next call, as long as the bytes that `in` pointed to.
    ByteView data() const { return data_; }

    // Overwrites the buffered header: for headers that hold a secret.
    void wipe_raw();

  private:
    enum class At { length, json, data, broken };
    bool fill(ByteView& in);
    Got read_head();

    At at_ = At::length;
    std::string raw_;
    std::size_t want_ = 4;
    std::optional<Head> head_;
    std::uint64_t datalen_ = 0;
    std::uint64_t left_ = 0;
    bool has_datalen_ = false;
    ByteView data_;
};

inline constexpr std::size_t max_header = 0xffff;
inline constexpr std::size_t min_header = 8;

// `json` with its size in front. The caller keeps to max_header; longer is a bug.
std::string with_length(std::string_view json);

// CRC-32C (Castagnoli, reflected polynomial 0x82f63b78; RFC 3720 appendix B.4). `sum` continues an earlier
// one.
std::uint32_t crc32c(ByteView bytes, std::uint32_t sum = 0);

// Whether a received header (`hhhh` included) agrees with the "headsum" in it: CRC-32C of the header as it
// was before `"headsum":N,` was inserted, with the size in front that belongs to it. A header without one
// agrees.
bool headsum_agrees(std::string_view raw);

}  // namespace kith::tmtp

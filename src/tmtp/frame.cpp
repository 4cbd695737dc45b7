#include "tmtp/frame.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>

#include "base/secret.h"

namespace kith::tmtp {
namespace {

constexpr std::array<std::array<std::uint32_t, 256>, 8> make_tables() {
    std::array<std::array<std::uint32_t, 256>, 8> tables{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t sum = i;
        for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ (sum & 1 ? 0x82f63b78u : 0);
        tables[0][i] = sum;
    }
    for (std::uint32_t i = 0; i < 256; ++i)
        for (std::size_t t = 1; t < 8; ++t)
            tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 0xff];
    return tables;
}
constexpr auto tables = make_tables();

std::optional<std::size_t> parse_length(std::string_view digits) {
    std::size_t value = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    // from_chars takes a minus sign, which is none of the digits.
    if (error != std::errc{} || end != digits.data() + digits.size() || digits.front() == '-')
        return std::nullopt;
    return value;
}

}  // namespace

FrameReader::Got FrameReader::next(ByteView& in) {
    switch (at_) {
        case At::length:
            if (raw_.size() >= 4) {  // the message before is done with
                raw_.clear();
                head_.reset();
            }
            if (!fill(in)) return Got::more;
            if (auto size = parse_length(raw_); size && *size >= min_header) {
                want_ = 4 + *size;
                at_ = At::json;
            } else {
                return at_ = At::broken, Got::bad_length;
            }
            [[fallthrough]];
        case At::json:
            return fill(in) ? read_head() : Got::more;
        case At::data: {
            if (left_ == 0) {
                at_ = At::length;
                want_ = 4;
                return Got::end;
            }
            if (in.empty()) return Got::more;
            std::size_t take = static_cast<std::size_t>(std::min<std::uint64_t>(in.size(), left_));
            data_ = in.first(take);
            in = in.subspan(take);
            left_ -= take;
            return Got::data;
        }
        case At::broken:
            break;
    }
    in = {};
    return Got::more;  // what was wrong has been said; nothing more comes out
}

// Takes what is still missing of the header; true when it is all there.
bool FrameReader::fill(ByteView& in) {
    std::size_t take = std::min(in.size(), want_ - raw_.size());
    raw_ += as_text(in.first(take));
    in = in.subspan(take);
    return raw_.size() == want_;
}

FrameReader::Got FrameReader::read_head() {
    head_ = Head::parse(std::string_view(raw_).substr(4));
    auto datalen = head_ ? head_->number("datalen") : std::nullopt;
    if (!head_ || !head_->ok() || datalen.value_or(0) < 0) return at_ = At::broken, Got::bad_header;
    has_datalen_ = datalen.has_value();
    left_ = datalen_ = static_cast<std::uint64_t>(datalen.value_or(0));
    at_ = At::data;
    return Got::head;
}

void FrameReader::wipe_raw() {
    wipe({reinterpret_cast<std::uint8_t*>(raw_.data()), raw_.size()});
}

std::string with_length(std::string_view json) {
    assert(json.size() <= max_header);
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(4 + json.size());
    for (int shift = 12; shift >= 0; shift -= 4) text += digits[(json.size() >> shift) & 15];
    return text += json;
}

std::uint32_t crc32c(ByteView bytes, std::uint32_t sum) {
    sum = ~sum;
    while (bytes.size() >= 8) {  // eight tables at once: attachments are large
        std::uint32_t low =
            sum ^ (bytes[0] | bytes[1] << 8 | bytes[2] << 16 | static_cast<std::uint32_t>(bytes[3]) << 24);
        sum = tables[7][low & 0xff] ^ tables[6][(low >> 8) & 0xff] ^ tables[5][(low >> 16) & 0xff] ^
              tables[4][low >> 24] ^ tables[3][bytes[4]] ^ tables[2][bytes[5]] ^ tables[1][bytes[6]] ^
              tables[0][bytes[7]];
        bytes = bytes.subspan(8);
    }
    for (std::uint8_t byte : bytes) sum = (sum >> 8) ^ tables[0][(sum ^ byte) & 0xff];
    return ~sum;
}

bool headsum_agrees(std::string_view raw) {
    // Within a JSON text the pattern cannot occur inside a string: its quotes would be escaped.
    constexpr std::string_view key = "\"headsum\":";
    std::size_t start = raw.find(key);
    if (raw.size() < 4 || start == std::string_view::npos) return true;
    std::size_t end = start + key.size();
    std::uint32_t stated = 0;
    auto [stop, error] = std::from_chars(raw.data() + end, raw.data() + raw.size(), stated);
    if (error != std::errc{}) return false;
    end = static_cast<std::size_t>(stop - raw.data());
    if (end < raw.size() && raw[end] == ',') ++end;
    std::string json(raw.substr(4, start - 4));
    json += raw.substr(end);
    return crc32c(as_bytes(with_length(json))) == stated;
}

}  // namespace kith::tmtp

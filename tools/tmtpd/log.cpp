#include "log.h"

#include <algorithm>
#include <cstdio>

#include "tmtp/replies.h"

namespace kith::tmtpd {
namespace {

bool plain(std::string_view value) {
    return !value.empty() && std::all_of(value.begin(), value.end(), [](char c) {
        return c > ' ' && c != 0x7f && c != '"' && c != '=' && c != '\\';
    });
}

std::string quoted(std::string_view value) {
    std::string text = "\"";
    for (char c : value) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            char code[5];
            std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned>(c));
            text += code;
            continue;
        }
        if (c == '"' || c == '\\') text += '\\';
        text += c;
    }
    return text + '"';
}

}  // namespace

LogLine::LogLine(std::int64_t unix_ms, std::string_view event) {
    put("time", tmtp::format_posted(unix_ms));
    put("event", event);
}

LogLine::~LogLine() {
    line_ += '\n';
    std::fwrite(line_.data(), 1, line_.size(), stderr);
}

LogLine& LogLine::put(std::string_view key, std::string_view value) {
    if (!line_.empty()) line_ += ' ';
    line_.append(key) += '=';
    line_ += plain(value) ? std::string(value) : quoted(value);
    return *this;
}

}  // namespace kith::tmtpd

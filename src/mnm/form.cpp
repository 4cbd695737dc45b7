#include "mnm/form.h"

#include "base/bytes.h"
#include "tmtp/frame.h"
#include "tmtp/head.h"

namespace kith::mnm {
namespace {

constexpr std::string_view mark = ",\"$threadid\":", sum_mark = ",\"$checksum\":", text_mark = "{\"$text\":",
                           empty_mark = "{\"$empty\":true";

}  // namespace

// An array of objects: each from its brace to the one that closes it, braces within strings apart.
FormTable::FormTable(std::string text) : text_(std::move(text)) {
    std::size_t depth = 0, begin = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < text_.size(); ++i) {
        const char c = text_[i];
        if (quoted) {
            if (c == '\\')
                ++i;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{') {
            if (depth++ == 0) begin = i;
        } else if (c == '}' && depth > 0 && --depth == 0) {
            add(begin, i + 1);
        }
    }
}

void FormTable::add(std::size_t begin, std::size_t end) {
    const auto row = std::string_view(text_).substr(begin, end - begin);
    const auto at = row.rfind(mark);
    if (at == std::string_view::npos) return;
    auto tail = tmtp::Head::parse("{" + std::string(row.substr(at + 1)));
    if (!tail) return;
    auto msgid = tail->text("$msgid"), name = tail->text("$name");
    if (tail->ok() && msgid && name) rows_[{*msgid, *name}] = {begin, end};
}

std::optional<std::string> FormTable::filled(const std::string& msgid, const std::string& name) const {
    const auto found = rows_.find({msgid, name});
    if (found == rows_.end()) return std::nullopt;
    const auto row =
        std::string_view(text_).substr(found->second.first, found->second.second - found->second.first);
    const auto at = row.rfind(mark), sum_at = row.rfind(sum_mark);
    auto tail = tmtp::Head::parse("{" + std::string(row.substr(at + 1)));
    if (sum_at == std::string_view::npos || sum_at < at || !tail) return std::nullopt;
    // The sum covers the row without itself.
    const auto summed = std::string(row.substr(0, sum_at)) + "}";
    if (tail->number("$checksum") != tmtp::crc32c(as_bytes(summed))) return std::nullopt;

    std::string content = std::string(row.substr(0, at)) + "}";
    if (row.starts_with(text_mark)) {  // what came was no JSON object
        auto kept = tmtp::Head::parse(content);
        content = kept ? kept->text("$text").value_or(std::string()) : std::string();
    } else if (row.starts_with(empty_mark)) {
        content = "{}";
    }
    const auto size = tail->number("$size");
    if (!size || *size < 0 || static_cast<std::uint64_t>(*size) != content.size()) return std::nullopt;
    return content;
}

}  // namespace kith::mnm

#include "wire/http.h"

#include <algorithm>
#include <charconv>

#include "wire/limits.h"

namespace kith::wire {
namespace {

constexpr std::string_view line_end = "\r\n", head_end = "\r\n\r\n";

tl::unexpected<Error> no_http() {
    return fail(Fault::protocol, "the sign-in provider sent what is not HTTP", "tell the service's operator");
}
tl::unexpected<Error> too_large() {
    return fail(Fault::protocol, "the sign-in provider sent too much", "tell the service's operator");
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

std::optional<std::uint64_t> number(std::string_view text, int base) {
    std::uint64_t value = 0;
    auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (text.empty() || error != std::errc{} || rest != text.data() + text.size()) return std::nullopt;
    return value;
}

}  // namespace

std::string encode(const HttpRequest& request) {
    std::string out = (request.post ? "POST " : "GET ") + request.url.path +
                      " HTTP/1.1\r\nHost: " + request.url.authority() +
                      "\r\nUser-Agent: kith\r\nAccept: application/json\r\nConnection: close\r\n";
    if (request.post)
        out += "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: " +
               std::to_string(request.body.size()) + "\r\n";
    return out + "\r\n" + request.body;
}

Result<std::optional<HttpAnswer>> HttpReader::add(ByteView bytes) {
    if (in_.size() + bytes.size() > limits::http_head_bytes + limits::http_body_bytes) return too_large();
    in_ += as_text(bytes);
    while (!head_read_) {
        if (in_.find(head_end) == std::string::npos) {
            if (in_.size() > limits::http_head_bytes) return too_large();
            return std::nullopt;
        }
        KITH_TRY(read_head());
    }
    if (chunked_) {
        KITH_TRY_VALUE(whole, read_chunks());
        if (!whole) return std::nullopt;
        return answer_;
    }
    if (in_.size() > limits::http_body_bytes) return too_large();
    if (!size_ || in_.size() < *size_) return std::nullopt;
    answer_.body = in_.substr(0, static_cast<std::size_t>(*size_));
    return answer_;
}

Result<HttpAnswer> HttpReader::end() {
    if (!head_read_ || chunked_ || (size_ && in_.size() < *size_))
        return fail(Fault::protocol, "the sign-in provider's answer is cut off", "try again");
    answer_.body = in_;
    return answer_;
}

// Interim answers (1xx) are passed over.
Result<> HttpReader::read_head() {
    const auto end = in_.find(head_end);
    std::string_view head = std::string_view(in_).substr(0, end + line_end.size());
    const auto first_end = head.find(line_end);
    const auto first = head.substr(0, first_end);
    const bool http =
        first.size() >= 12 && (first.starts_with("HTTP/1.1 ") || first.starts_with("HTTP/1.0 "));
    auto status = http ? number(first.substr(9, 3), 10) : std::nullopt;
    if (!status || *status < 100 || (first.size() > 12 && first[12] != ' ')) return no_http();
    chunked_ = false;
    size_.reset();
    for (auto rest = head.substr(first_end + 2); !rest.empty();) {
        const auto line_ends = rest.find(line_end);
        const auto line = rest.substr(0, line_ends);
        rest.remove_prefix(line_ends + 2);
        const auto colon = line.find(':');
        if (colon == std::string_view::npos || colon == 0) return no_http();
        const auto name = lower(line.substr(0, colon));
        const auto value = trimmed(line.substr(colon + 1));
        if (name == "transfer-encoding") {
            if (lower(value) != "chunked") return no_http();
            chunked_ = true;
        } else if (name == "content-length") {
            auto size = number(value, 10);
            if (!size || (size_ && *size_ != *size)) return no_http();
            if (*size > limits::http_body_bytes) return too_large();
            size_ = size;
        } else if (name == "content-encoding" && lower(value) != "identity") {
            return no_http();
        }
    }
    if (chunked_ && size_) return no_http();  // two readers could each take another one
    in_.erase(0, end + head_end.size());
    answer_.status = static_cast<int>(*status);
    head_read_ = answer_.status >= 200;
    return {};
}

Result<bool> HttpReader::read_chunks() {
    while (true) {
        const auto line_ends = in_.find(line_end);
        if (line_ends == std::string::npos) {
            if (in_.size() > 1024) return no_http();
            return false;
        }
        const auto line = std::string_view(in_).substr(0, line_ends);
        auto size = number(trimmed(line.substr(0, line.find(';'))), 16);
        if (!size) return no_http();
        if (*size > limits::http_body_bytes - answer_.body.size()) return too_large();
        if (*size == 0) return true;  // trailers say nothing to us
        const auto data = line_ends + 2, after = data + static_cast<std::size_t>(*size);
        if (in_.size() < after + 2) return false;
        if (in_.compare(after, 2, line_end) != 0) return no_http();
        answer_.body.append(in_, data, static_cast<std::size_t>(*size));
        in_.erase(0, after + 2);
    }
}

std::optional<std::string> asked_for(std::string_view in) {
    if (in.find(head_end) == std::string_view::npos) {
        if (in.size() > limits::http_head_bytes) return std::string();
        return std::nullopt;
    }
    const auto line = in.substr(0, in.find(line_end));
    constexpr std::string_view get = "GET ", version = " HTTP/1.1";
    if (!line.starts_with(get) || !line.ends_with(version) || line.size() < get.size() + version.size() + 1)
        return std::string();
    return std::string(line.substr(get.size(), line.size() - get.size() - version.size()));
}

std::string page(int status, std::string_view title, std::string_view text) {
    std::string body = "<!doctype html><meta charset=utf-8><title>kith</title><h1>" + std::string(title) +
                       "</h1><p>" + std::string(text) + "</p>";
    return "HTTP/1.1 " + std::to_string(status) + (status == 200 ? " OK" : " Not Found") +
           "\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n"
           "Content-Security-Policy: default-src 'none'\r\nConnection: close\r\n\r\n" +
           body;
}

}  // namespace kith::wire

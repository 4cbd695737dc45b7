// As much of HTTP/1.1 (RFC 9112) as signing in takes: one request on a connection, and its answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/url.h"

namespace kith::wire {

struct HttpRequest {
    Url url;
    bool post = false;
    std::string body;  // form-encoded
};
std::string encode(const HttpRequest& request);

struct HttpAnswer {
    int status = 0;
    std::string body;
};
// Takes an answer apart while its bytes come. Redirects are not followed: a provider's addresses are given.
class HttpReader {
  public:
    // Nothing: more is needed. Fault::protocol: it is no answer, or too large.
    Result<std::optional<HttpAnswer>> add(ByteView bytes);
    // The connection has ended: what has come is all, if it may be.
    Result<HttpAnswer> end();

  private:
    Result<> read_head();
    Result<bool> read_chunks();
    std::string in_;
    HttpAnswer answer_;
    bool head_read_ = false, chunked_ = false;
    std::optional<std::uint64_t> size_;
};

// Of a request that a browser makes: what it asks for ("/?code=..."), when it is a GET and its header is
// here; empty text: it is something else. Nothing: more is needed.
std::optional<std::string> asked_for(std::string_view in);
// A page for people, as a whole answer.
std::string page(int status, std::string_view title, std::string_view text);

}  // namespace kith::wire

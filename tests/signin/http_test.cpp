// HTTP as signing in takes it: answers, whatever their form, and nothing that two readers could read in two
// ways.
#include "wire/http.h"

#include <doctest/doctest.h>

#include "wire/limits.h"

using namespace kith;
using namespace kith::wire;

namespace {

// The answer, read in runs of so many bytes; its text, or why not.
std::string read(std::string_view in, std::size_t run, bool ends = false) {
    HttpReader reader;
    for (std::size_t at = 0; at < in.size(); at += run) {
        auto answer = reader.add(as_bytes(in.substr(at, run)));
        if (!answer) return "no: " + answer.error().what;
        if (*answer) return std::to_string((*answer)->status) + " " + (*answer)->body;
    }
    if (!ends) return "more";
    auto answer = reader.end();
    return answer ? std::to_string(answer->status) + " " + answer->body : "cut off";
}

void check(std::string_view in, const std::string& expected, bool ends = false) {
    for (std::size_t run : {std::size_t{1}, std::size_t{7}, in.size()})
        CHECK(read(in, run, ends) == expected);
}

}  // namespace

TEST_CASE("an answer is whole when its size says so, its last chunk, or the end of the connection") {
    check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 hello");
    check("HTTP/1.1 404 Not Found\r\ncontent-length:0\r\n\r\n", "404 ");
    check("HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhell", "more");
    check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "cut off", true);
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
          "200 hello");
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", "cut off", true);
    check("HTTP/1.0 200 OK\r\n\r\nhello", "200 hello", true);
    check("HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "200 ok");
}

TEST_CASE("what is no answer, or can be read in two ways, is refused") {
    for (std::string_view bad :
         {"hello there\r\n\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n",
          "HTTP/1.1 099 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
          "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n"})
        CHECK_MESSAGE(read(bad, bad.size()).starts_with("no: "), bad);
    CHECK(read(std::string(limits::http_head_bytes + 1, 'x'), 1000).starts_with("no: "));
    CHECK(
        read("HTTP/1.1 200 OK\r\n\r\n" + std::string(limits::http_head_bytes + limits::http_body_bytes, 'x'),
             5000)
            .starts_with("no: "));
}

TEST_CASE("a request names its host, and its size") {
    HttpRequest request{*parse_url("https://id.example.org:8443/token?x=1"), true, "a=b"};
    CHECK(
        encode(request) ==
        "POST /token?x=1 HTTP/1.1\r\nHost: id.example.org:8443\r\nUser-Agent: kith\r\n"
        "Accept: application/json\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        "Content-Length: 3\r\n\r\na=b");
    CHECK(encode({*parse_url("https://a/"), false, {}}).starts_with("GET / HTTP/1.1\r\nHost: a\r\n"));
}

TEST_CASE("of a browser's request only what it asks for counts") {
    CHECK_FALSE(asked_for("GET /x HTTP/1.1\r\nHost: a\r\n"));
    CHECK(asked_for("GET /x?y=z HTTP/1.1\r\nHost: a\r\n\r\n") == "/x?y=z");
    CHECK(asked_for("POST /x HTTP/1.1\r\n\r\n")->empty());
    CHECK(asked_for("GET HTTP/1.1\r\n\r\n")->empty());
    CHECK(asked_for(std::string(limits::http_head_bytes + 1, 'x'))->empty());
}

TEST_CASE("addresses of the web") {
    auto url = parse_url("https://[::1]:99?x");
    REQUIRE(url);
    CHECK(url->host == "::1");
    CHECK(url->port == 99);
    CHECK(url->path == "/?x");
    CHECK(url->authority() == "[::1]:99");
    CHECK(is_loopback(*url));
    CHECK(parse_url("http://a")->port == 80);
    CHECK(parse_url("https://a/b")->authority() == "a");
    for (const char* bad :
         {"", "ftp://a/", "https://", "https://user@a/", "https://a b/", "https://a/\r\nx", "https://a/#x",
          "https://a:0/", "https://a:70000/", "https://a:x/", "https://[::1", "https://[x]/", "https://a\\b/",
          "javascript:alert(1)", "HTTPS://a/"})
        CHECK_MESSAGE(!parse_url(bad), bad);
}

TEST_CASE("base64url and forms lead back to where they came from, and nowhere else") {
    for (std::size_t size = 0; size < 70; ++size) {
        Bytes bytes(size);
        for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 37 + size);
        CHECK(from_base64url(to_base64url(bytes)) == bytes);
    }
    CHECK(to_base64url(to_bytes("\xfb\xff")) == "-_8");
    for (const char* bad : {"A", "AB=", "A+", "AB", "AAB", "A A", "AAAAA"}) CHECK_FALSE(from_base64url(bad));
    Parameters form{{"a b", "&=+%"}, {"", "x"}, {"\xc3\xbc", ""}};
    CHECK(to_form(form) == "a%20b=%26%3D%2B%25&=x&%C3%BC=");
    CHECK(from_form(to_form(form)) == form);
    CHECK(from_form("a+b=c%2&&x") == Parameters{{"a b", "c%2"}, {"x", ""}});
}

#include <doctest/doctest.h>

#include <functional>
#include <random>

#include "base/limits.h"
#include "history/date.h"
#include "history/html_text.h"
#include "history/mail_scan.h"
#include "history/mime_text.h"

using namespace kith;
using namespace kith::history;

namespace {

std::vector<ScannedMail> scan(std::string_view file, const std::function<std::size_t()>& run_size) {
    MailScanner scanner;
    std::vector<ScannedMail> mails;
    for (std::size_t at = 0; at < file.size();) {
        auto run = file.substr(at, run_size());
        scanner.feed(as_bytes(run));
        at += run.size();
        while (auto mail = scanner.next()) mails.push_back(std::move(*mail));
    }
    scanner.end();
    while (auto mail = scanner.next()) mails.push_back(std::move(*mail));
    return mails;
}

std::vector<std::string> mails_in(std::string_view file) {
    std::vector<std::string> mails;
    for (const auto& mail : scan(file, [] { return SIZE_MAX; }))
        mails.emplace_back(file.substr(mail.offset, mail.size));
    return mails;
}

// The rules for where mails end and are cut, for a file in memory, put down as plainly as possible.
std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        auto end = std::min(text.find('\n', at), text.size() - 1) + 1;
        lines.emplace_back(text.substr(at, end - at));
        at = end;
    }
    return lines;
}
bool is_empty(const std::string& line) {
    return line == "\n" || line == "\r\n";
}
std::vector<std::pair<std::uint64_t, std::uint64_t>> reference_mails(std::string_view file) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> mails;
    if (!file.starts_with("From ")) {
        if (!file.empty()) mails.emplace_back(0, file.size());
        return mails;
    }
    auto lines = lines_of(file);
    std::uint64_t at = lines[0].size(), start = at, empty_at = 0;
    for (std::size_t i = 1; i < lines.size(); at += lines[i].size(), ++i) {
        const bool from = lines[i].starts_with("From a@b") && i + 1 < lines.size();
        const auto next = from ? lines[i + 1] : "";
        const bool header = next.starts_with("Subject:") || next.starts_with("a: ") ||
                            next.starts_with("X-Y:") || next.starts_with(">From ");
        empty_at = at - lines[i - 1].size();
        if (!from || !header || !is_empty(lines[i - 1]) || empty_at <= start) continue;
        mails.emplace_back(start, empty_at - start);
        start = at + lines[i].size();
    }
    if (start >= file.size()) return mails;
    auto end = file.size();
    empty_at = end - lines.back().size();
    if (!mails.empty() && is_empty(lines.back()) && empty_at > start) end = empty_at;
    mails.emplace_back(start, end - start);
    return mails;
}
Boundaries reference_boundaries(std::string_view mail) {
    Boundaries boundaries;
    std::uint64_t at = 0;
    bool in_header = true;
    for (const auto& line : lines_of(mail)) {
        if (in_header && is_empty(line)) {
            boundaries.push_back(at + line.size());
            in_header = false;
        } else if (!in_header && line.starts_with("--")) {
            boundaries.push_back(at);
            in_header = true;
        }
        at += line.size();
    }
    if (in_header) boundaries.push_back(mail.size());
    return boundaries;
}

constexpr std::uint64_t august = 1030015094000;  // 2002-08-22 11:18:14 UTC

}  // namespace

TEST_CASE("dates are read as mails have written them") {
    CHECK(parse_date("Thu, 22 Aug 2002 12:18:14 +0100") == august);
    CHECK(parse_date(" 22 Aug 2002 07:18:14 -0400 (EDT)") == august);
    CHECK(parse_date("Thu, 22 Aug 02 07:18:14 EDT") == august);
    CHECK(parse_date("Thu Aug 22 11:18:14 2002") == august);
    CHECK(parse_date("Thursday, 22 August 102 11:18:14 GMT") == august);
    CHECK(parse_date("22 Aug 2002 11:18") == august - 14000);
    CHECK_FALSE(parse_date("Thu, 31 Feb 2002 12:18:14 +0100"));
    CHECK_FALSE(parse_date("Thu, 22 Aug 2102 12:18:14 +0100"));
    CHECK_FALSE(parse_date("1 Jan 1970 00:00:00 +0100"));
    CHECK_FALSE(parse_date("yesterday"));
    CHECK_FALSE(parse_date(""));
    CHECK_FALSE(parse_date(std::string(100000, '(')));
}

TEST_CASE("a mail's time is the topmost Received, else Date, else none") {
    CHECK(mail_time(as_bytes(
              "Received: from a by b;\n\tThu, 22 Aug 2002 12:18:14 +0100\n"
              "Received: from c by a; Thu, 22 Aug 2002 10:00:00 +0100\nDate: 1 Jan 2001 00:00 +0000\n\nx")) ==
          august);
    CHECK(mail_time(as_bytes("Received: from a by b; nonsense\nDate: Thu, 22 Aug 2002 12:18:14 +0100\n\n")) ==
          august);
    CHECK(mail_time(as_bytes("Subject: none\n\nDate: Thu, 22 Aug 2002 12:18:14 +0100\n")) == 0);
}

TEST_CASE("a file without a From line is one mail, byte for byte") {
    std::string mail = "Subject: a\n\nbody\n\nFrom me Thu Aug 22 12:36:23 2002\nX: y\n\n";
    CHECK(mails_in(mail) == std::vector<std::string>{mail});
}

TEST_CASE("a file with one From line loses that line only") {
    CHECK(mails_in("From a@b  Thu Aug 22 12:36:23 2002\nSubject: a\n\nbody\n\n") ==
          std::vector<std::string>{"Subject: a\n\nbody\n\n"});
}

TEST_CASE("an mbox is cut at From lines and nowhere else") {
    std::string from = "From a@b  Thu Aug 22 12:36:23 2002\n";
    auto mails = mails_in(
        from + "Subject: a\n\nFrom here on it is text\n\nFrom time to time, too\n>From quoted\n\n" +  //
        from + "Subject: b\r\n\r\nbody\r\n\r\n" + from + "Subject: c\n\nlast\n\n");
    REQUIRE(mails.size() == 3);
    CHECK(mails[0] == "Subject: a\n\nFrom here on it is text\n\nFrom time to time, too\n>From quoted\n");
    CHECK(mails[1] == "Subject: b\r\n\r\nbody\r\n");
    CHECK(mails[2] == "Subject: c\n\nlast\n");
}

TEST_CASE("where mails end and are cut does not depend on how the file is read") {
    // Any sequence of lines that matter, against the rules put down for whole files.
    const std::vector<std::string> lines{"From a@b  Thu Aug 22 12:36:23 2002\n",
                                         "From a@b  Thu Aug 22 12:36:23 2002\r\n",
                                         "From here on\n",
                                         "\n",
                                         "\r\n",
                                         "\r",
                                         "Subject: x\n",
                                         "X-Y: z\r\n",
                                         ">From quoted\n",
                                         "--b\n",
                                         "--b--\r\n",
                                         "-- \n",
                                         "text\n",
                                         "--",
                                         "a: " + std::string(1500, 'b') + "\n",
                                         std::string(1500, 'c') + "\r\n",
                                         std::string(1, '\0') + "\n"};
    std::mt19937_64 random(23);
    for (int round = 0; round < 4000; ++round) {
        std::string file = round % 2 ? lines[0] : "";
        for (auto count = random() % 14; count > 0; --count) file += lines[random() % lines.size()];
        auto mails = scan(file, [&] { return 1 + random() % (round % 3 ? 7 : 2000); });
        auto expected = reference_mails(file);
        CAPTURE(file);
        REQUIRE(mails.size() == expected.size());
        for (std::size_t i = 0; i < mails.size(); ++i) {
            REQUIRE(mails[i].offset == expected[i].first);
            REQUIRE(mails[i].size == expected[i].second);
            auto mail = std::string_view(file).substr(mails[i].offset, mails[i].size);
            REQUIRE(mails[i].boundaries == reference_boundaries(mail));
            REQUIRE(mail_boundaries(as_bytes(mail)) == mails[i].boundaries);
            REQUIRE(mail_header_size(as_bytes(mail)) == mails[i].boundaries[0]);
        }
    }
}

TEST_CASE("a file of one line, and one of many, take no more memory than a window") {
    MailScanner scanner;
    const std::string run(1 << 20, 'x');
    scanner.feed(as_bytes("Subject: long\n\n"));
    for (int i = 0; i < 50; ++i) scanner.feed(as_bytes(run));
    scanner.end();
    auto mail = scanner.next();
    REQUIRE(mail);
    CHECK(mail->size == 15 + (50 << 20));
    CHECK(mail->boundaries == Boundaries{15});
    CHECK_FALSE(scanner.next());
}

TEST_CASE("what has no mail's header is not taken for a mail") {
    CHECK(looks_like_mail(as_bytes("X-Odd: 1\nSubject: a\n\n")));
    CHECK(looks_like_mail(as_bytes("from: a\n")));
    CHECK_FALSE(looks_like_mail(as_bytes("{\"subject\": \"a\"}")));
    CHECK_FALSE(looks_like_mail(as_bytes("Dear all:\n\nSubject: no\n")));
    CHECK_FALSE(looks_like_mail(as_bytes("")));
    CHECK_FALSE(
        looks_like_mail(as_bytes("\x7f"
                                 "ELF\x02\x01")));
    CHECK_FALSE(looks_like_mail(as_bytes("\nSubject: after an empty line\n")));
}

TEST_CASE("fields are unfolded, decoded and always valid UTF-8") {
    CHECK(mail_field(as_bytes("Subject: =?iso-8859-1?Q?caf=E9_?=\n =?utf-8?B?w6k=?= end\n\n"), "subject") ==
          "café é end");
    CHECK(mail_field(as_bytes("SUBJECT:a\n b\n\n"), "subject") == "a b");
    CHECK(mail_field(as_bytes("Subject: caf\xe9\n\n"), "subject") == "café");
    CHECK(mail_field(as_bytes("Subject: =?broken?X?abc?=\n\n"), "subject") == "=?broken?X?abc?=");
    CHECK(mail_field(as_bytes("To: x\n\n"), "subject").empty());
}

TEST_CASE("a mail is cut at its delimiters, so that an attachment is a segment of its own") {
    std::string mail = "Subject: a\n\ntext\n--b\nContent-Type: x\n\nATTACHED\n--b--\n";
    auto boundaries = mail_boundaries(as_bytes(mail));
    std::vector<std::string> segments;
    std::uint64_t start = 0;
    boundaries.push_back(mail.size());
    for (auto end : boundaries) {
        if (end > start) segments.push_back(mail.substr(start, end - start));
        start = end;
    }
    CHECK(segments == std::vector<std::string>{"Subject: a\n\n", "text\n", "--b\nContent-Type: x\n\n",
                                               "ATTACHED\n", "--b--\n"});
    std::string many;
    for (int i = 0; i < 100000; ++i) many += "--\n\n";
    CHECK(mail_boundaries(as_bytes(many)).size() <= limits::mail_boundaries + 1);
}

TEST_CASE("a multipart mail shows its text and names what is attached") {
    auto view =
        view_mail(as_bytes("Content-Type: multipart/mixed; boundary=\"b\"\n\npreamble\n--b\nContent-Type: "
                           "text/plain; charset=iso-8859-1\n"
                           "Content-Transfer-Encoding: quoted-printable\n\ncaf=E9 =\nau "
                           "lait\n--b\nContent-Type: image/png; name=\"a.png\"\n"
                           "Content-Transfer-Encoding: base64\n\nAAECAw==\n--b--\nepilogue\n"));
    CHECK(view.text == "café au lait\n");
    REQUIRE(view.attachments.size() == 1);
    CHECK(view.attachments[0].name == "a.png");
    CHECK(view.attachments[0].size == 4);
}

TEST_CASE("nested and empty multiparts end") {
    std::string mail;
    for (int i = 0; i < 100; ++i) mail += "Content-Type: multipart/mixed; boundary=b\n\n--b\n";
    view_mail(as_bytes(mail));
    CHECK(view_mail(as_bytes("Content-Type: multipart/mixed; boundary=b\n\n--b--\n")).text.empty());
    CHECK(view_mail({}).text.empty());
}

TEST_CASE("plain text is shown before HTML, and HTML before what else calls itself text") {
    auto parts = [](std::vector<std::string> types) {
        std::string mail = "Content-Type: multipart/alternative; boundary=b\n\n";
        for (const auto& type : types) mail += "--b\nContent-Type: text/" + type + "\n\nthe " + type + "\n";
        return view_mail(as_bytes(mail + "--b--\n"));
    };
    CHECK(parts({"html", "plain", "calendar"}).text == "the plain\n");
    CHECK_FALSE(parts({"html", "plain"}).is_html);
    CHECK(parts({"html", "calendar"}).text == "the html\n");
    CHECK(parts({"html", "calendar"}).is_html);
    CHECK(parts({"plain", "plain"}).text == "the plain\n");
}

TEST_CASE("of HTML the words are left") {
    CHECK(html_text("<p>Hello <b>wor</b>ld&amp;you</p>") == "\nHello world&you\n");
    CHECK(html_text("a<br>b<TD class='x > y'>c") == "a\nb\nc");
    CHECK(html_text("<html><style>p {color: red}</STYLE >x<script>if (a<b) evil()</script>y") == "\n\nx\ny");
    CHECK(html_text("<!DOCTYPE html><!-- <p>hidden</p> -->seen<!-- open") == "seen");
    CHECK(html_text("caf&eacute; &#228;&#xE4; &euro;&nbsp;5 &bogus; &; & &#0;&#xD800;&#99999999;") ==
          "caf\u00e9 \u00e4\u00e4 \u20ac 5 &bogus; &; &   &#99999999;");
    CHECK(html_text("1 < 2 <3 and <") == "1 < 2 <3 and <");
    CHECK(html_text("cut <a href=\"never closed") == "cut ");
    CHECK(html_text("").empty());
    CHECK(html_text(std::string(200'000, '<')).size() == 200'000);
}

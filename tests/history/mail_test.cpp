#include "history/mail.h"

#include <doctest/doctest.h>

#include "base/limits.h"
#include "history/date.h"
#include "history/html_text.h"
#include "history/mime_text.h"

using namespace kith;
using namespace kith::history;

namespace {

std::vector<std::string> mails_in(std::string_view file) {
    std::vector<std::string> mails;
    MailWalker walker(as_bytes(file));
    while (auto span = walker.next()) mails.emplace_back(file.substr(span->offset, span->size));
    return mails;
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

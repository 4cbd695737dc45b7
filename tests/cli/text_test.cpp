#include "cli/text.h"

#include <doctest/doctest.h>

#include "cli/context.h"
#include "cli/save.h"

using namespace kith;
using namespace kith::cli;

TEST_CASE("what could control a terminal or turn text around is replaced") {
    CHECK(clean("plain ä € 😀") == "plain ä € 😀");
    CHECK(clean("a\x1b[31mb") == "a\xef\xbf\xbd[31mb");
    CHECK(clean(std::string_view("a\0b\x7f", 4)) ==
          "a\xef\xbf\xbd"
          "b\xef\xbf\xbd");
    CHECK(clean("a\xc2\x9b"
                "b") ==
          "a\xef\xbf\xbd"
          "b");                                                      // C1: CSI in one character
    CHECK(clean("a\xe2\x80\xaegpj.exe") == "a\xef\xbf\xbdgpj.exe");  // right-to-left override
    CHECK(clean("\xe2\x81\xa6x") == "\xef\xbf\xbdx");
    CHECK(clean("\xf3\xa0\x81\x81x") == "\xef\xbf\xbdx");  // an invisible tag
}

TEST_CASE("bytes that are not UTF-8 are replaced one by one") {
    CHECK(clean("\xff") == "\xef\xbf\xbd");
    CHECK(clean("\xc3") == "\xef\xbf\xbd");
    CHECK(clean("\xc0\xaf") == "\xef\xbf\xbd\xef\xbf\xbd");  // overlong
    CHECK(clean("\xed\xa0\x80").size() == 9);                // a surrogate
    CHECK(clean("\xf4\x90\x80\x80").size() == 12);           // beyond Unicode
    CHECK_FALSE(is_utf8("\xc0\xaf"));
    CHECK(is_utf8("ä€😀"));
}

TEST_CASE("line ends stay in a body and nowhere else") {
    CHECK(clean("a\r\nb\tc", Keep::lines) == "a\nb\tc");
    CHECK(clean("a\r\nb\tc") == "a b c");
    CHECK(clean("a\rb", Keep::lines) ==
          "a\xef\xbf\xbd"
          "b");  // would write over the line
}

TEST_CASE("text is cut between characters") {
    CHECK(cut("äöü", 3) == "äöü");
    CHECK(cut("äöüx", 3) == "äö…");
    CHECK(cut("abc", 1) == "…");
    CHECK(cut("abc", 0) == "");
    CHECK(width("äöü") == 3);
}

TEST_CASE("sizes and durations read well") {
    CHECK(size_text(0) == "0 bytes");
    CHECK(size_text(999) == "999 bytes");
    CHECK(size_text(1000) == "1.0 kB");
    CHECK(size_text(999999) == "1.0 MB");
    CHECK(size_text(42000000) == "42 MB");
    CHECK(duration_text(-5) == "0 s");
    CHECK(duration_text(61) == "1 min 01 s");
    CHECK(duration_text(3900) == "1 h 05 min");
    CHECK(count_text(1, "mail", "mails") == "1 mail");
}

TEST_CASE("a time that nobody knows is none") {
    CHECK(local_time("1970-01-01T00:00:00.000Z") == "no date");
    CHECK(local_time("2002-08-22T13:26:25.000Z").starts_with("2002-08-2"));
    CHECK(local_time("soon\x1b") == "soon\xef\xbf\xbd");
}

TEST_CASE("a table lines up by characters, not bytes") {
    CHECK(table({{"ä", "x"}, {"bcd", "y"}}) == "ä    x\nbcd  y\n");
    CHECK(table({}) == "");
}

TEST_CASE("digits are drawn five lines high") {
    auto text = big_digits("10");
    CHECK(std::count(text.begin(), text.end(), '\n') == 5);
}

TEST_CASE("an attachment's name cannot leave the folder or hide") {
    CHECK(safe_file_name("photo.jpg", 0) == "photo.jpg");
    CHECK(safe_file_name("../../.ssh/authorized_keys", 0) == "authorized_keys");
    CHECK(safe_file_name("C:\\autoexec.bat", 0) == "autoexec.bat");
    CHECK(safe_file_name("..", 0) == "attachment-1");
    CHECK(safe_file_name(".bashrc", 0) == "bashrc");
    CHECK(safe_file_name("", 2) == "attachment-3");
    CHECK(safe_file_name("a/", 0) == "attachment-1");
    CHECK(safe_file_name("a\nb", 0) == "a b");
    CHECK(safe_file_name(std::string(1000, 'x') + ".jpg", 0).size() < 100);
    CHECK(safe_file_name(std::string(1000, 'x') + ".jpg", 0).ends_with(".jpg"));
}

TEST_CASE("every kind of error has an exit code of its own") {
    std::vector<int> codes{exit_ok, exit_internal, exit_usage};
    for (int i = 0; i <= static_cast<int>(Fault::forbidden); ++i)
        codes.push_back(exit_code(static_cast<Fault>(i)));
    std::sort(codes.begin(), codes.end());
    CHECK(std::adjacent_find(codes.begin(), codes.end()) == codes.end());
}

// The data sets of tools/bench, as files that `kith history import` takes: the same bytes for the same
// arguments.
//
//   bench_data h COUNT SEED FOLDER MAILS    real mails reworded, some ten years of them, in mbox files
//   bench_data a COUNT SEED FOLDER          mails with one file each, of bytes that nothing compresses
//   bench_data xl COUNT SEED FOLDER MAILS   messages of 200 to 400 bytes, each of a second of its own, in
//   mbox files bench_data news COUNT SEED FOLDER MAILS the same, all newer than any of the others bench_data
//   spread COUNT SEED FOLDER MAILS the same, anywhere between those of xl

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "random.h"
#include "rewording.h"

namespace fs = std::filesystem;

namespace bench {
namespace {

constexpr std::int64_t year_2012 = 1325376000;
constexpr std::int64_t year_2025 = 1735689600;
// Mails of one mbox file: some 50 MB of H, 30 MB of XL.
constexpr std::size_t h_per_file = 10'000;
constexpr std::size_t xl_per_file = 100'000;
// Of A: half of the files are larger than this, and the largest some 80 MB.
constexpr double median_bytes = 200'000;
constexpr double sigma = 1.78;

std::tm utc(std::int64_t seconds) {
    std::time_t time = seconds;
    std::tm parts{};
    gmtime_r(&time, &parts);
    return parts;
}
std::string mail_date(std::int64_t seconds) {
    auto parts = utc(seconds);
    char text[64];
    return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S +0000", &parts)};
}
std::string from_line(std::int64_t seconds) {
    auto parts = utc(seconds);
    char text[64];
    return {text, std::strftime(text, sizeof text, "From sender@example.org %a %b %d %H:%M:%S %Y\n", &parts)};
}

// Appends to numbered files, a new one after each `per_file` mails.
class Boxes {
  public:
    Boxes(fs::path folder, std::size_t per_file) : folder_(std::move(folder)), per_file_(per_file) {}
    ~Boxes() = default;
    void add(std::int64_t time, std::string_view mail) {
        if (count_++ % per_file_ == 0) begin();
        auto from = from_line(time);
        file_.write(from.data(), static_cast<std::streamsize>(from.size()));
        file_.write(mail.data(), static_cast<std::streamsize>(mail.size()));
        file_.write("\n", 1);
    }
    void close() {
        file_.close();
        if (!file_) throw std::runtime_error("cannot write into " + folder_.string());
    }

  private:
    void begin() {
        if (file_.is_open()) close();
        char name[32];
        std::snprintf(name, sizeof name, "%05zu.mbox", (count_ - 1) / per_file_);
        file_.open(folder_ / name, std::ios::binary);
    }
    fs::path folder_;
    std::size_t per_file_;
    std::size_t count_ = 0;
    std::ofstream file_;
};

// The real mails, without their "From " lines.
std::vector<std::string> read_mails(const fs::path& folder) {
    std::vector<fs::path> paths;
    for (const auto& entry : fs::recursive_directory_iterator(folder))
        if (entry.is_regular_file()) paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    std::vector<std::string> mails;
    for (const auto& path : paths) {
        std::ifstream file(path, std::ios::binary);
        std::string bytes(std::istreambuf_iterator<char>(file), {});
        if (bytes.starts_with("From ")) bytes.erase(0, bytes.find('\n') + 1);
        if (!bytes.empty() && bytes.back() != '\n') bytes += '\n';
        if (!bytes.empty()) mails.push_back(std::move(bytes));
    }
    if (mails.empty()) throw std::runtime_error("no mails in " + folder.string());
    return mails;
}

// In an mbox no line of a mail may look like the start of the next.
void escape_from(std::string& mail) {
    for (auto at = mail.find("\n\nFrom "); at != std::string::npos; at = mail.find("\n\nFrom ", at + 1))
        mail.insert(at + 2, ">");
}

void make_h(std::size_t count, Numbers numbers, const fs::path& folder, const fs::path& mails_folder) {
    auto mails = read_mails(mails_folder);
    Rewording rewording(mails);
    std::vector<std::size_t> order(mails.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    Boxes boxes(folder, h_per_file);
    std::string mail;
    auto step = (year_2025 - year_2012) / static_cast<std::int64_t>(count);
    for (std::size_t n = 0; n < count; ++n) {
        if (n % order.size() == 0)  // all mails again, in another order
            for (std::size_t i = order.size() - 1; i > 0; --i)
                std::swap(order[i], order[numbers.below(i + 1)]);
        auto time =
            year_2012 + static_cast<std::int64_t>(n) * step + static_cast<std::int64_t>(numbers.below(step));
        char id[32];
        std::snprintf(id, sizeof id, "%016llx", static_cast<unsigned long long>(numbers.next()));
        mail = "Received: from mail.example.org by mx.example.net (Postfix) with ESMTP id ";
        mail.append(id).append("\n\tfor <me@example.net>; ").append(mail_date(time)).append("\n");
        rewording.reword(mails[order[n % order.size()]], numbers.next(), mail);
        escape_from(mail);
        boxes.add(time, mail);
    }
    boxes.close();
}

// Where the normal distribution has this share of its mass below.
double quantile(double share) {
    double low = -8;
    double high = 8;
    for (int i = 0; i < 60; ++i) {
        double middle = (low + high) / 2;
        (std::erfc(-middle / std::sqrt(2.0)) / 2 < share ? low : high) = middle;
    }
    return low;
}

// Bytes in which no line begins with "--" or is empty, so that a mail's boundaries lie around them.
void fill(std::string& bytes, std::size_t size, Numbers& numbers) {
    bytes.resize((size + 7) / 8 * 8);
    for (std::size_t at = 0; at < bytes.size(); at += 8) {
        auto value = numbers.next();
        std::memcpy(bytes.data() + at, &value, 8);
    }
    bytes.resize(size);
    for (auto at = bytes.find('\n'); at != std::string::npos; at = bytes.find('\n', at + 1))
        if (at + 1 < size && (bytes[at + 1] == '-' || bytes[at + 1] == '\n' || bytes[at + 1] == '\r'))
            bytes[at + 1] = '+';
}

void make_a(std::size_t count, Numbers numbers, const fs::path& folder) {
    // One size for each equal share of the distribution: no luck of the seed in the sum.
    std::vector<std::size_t> sizes;
    for (std::size_t i = 0; i < count; ++i)
        sizes.push_back(static_cast<std::size_t>(
            median_bytes *
            std::exp(sigma * quantile((static_cast<double>(i) + 0.5) / static_cast<double>(count)))));
    for (std::size_t i = count - 1; i > 0; --i) std::swap(sizes[i], sizes[numbers.below(i + 1)]);
    std::string bytes;
    for (std::size_t n = 0; n < count; ++n) {
        fill(bytes, sizes[n], numbers);
        auto number = std::to_string(n);
        char name[32];
        std::snprintf(name, sizeof name, "%05zu.eml", n);
        std::ofstream file(folder / name, std::ios::binary);
        file << "From: Sender <sender@example.org>\nTo: me@example.net\nSubject: file " << number
             << "\nDate: " << mail_date(year_2012 + static_cast<std::int64_t>(n) * 86400)
             << "\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"part-" << number
             << "\"\n\n--part-" << number << "\nContent-Type: text/plain\n\nHere is file " << number
             << ".\n--part-" << number
             << "\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: binary\n"
                "Content-Disposition: attachment; filename=\""
             << number << ".bin\"\n\n"
             << bytes << "\n--part-" << number << "--\n";
        file.close();
        if (!file) throw std::runtime_error("cannot write into " + folder.string());
    }
}

std::string short_mail(std::size_t number, std::int64_t time, const Rewording& rewording, Numbers& numbers) {
    auto word = [&] { return std::string(rewording.word(numbers.next())); };
    std::string mail = "From: " + word() + " <" + word() + "@example.org>\nSubject: " + word() + " " +
                       word() + " " + std::to_string(number) + "\nDate: " + mail_date(time) + "\n\n";
    auto size = 200 + numbers.below(200);
    while (mail.size() + 12 < size) mail += word() + (numbers.below(9) == 0 ? "\n" : " ");
    mail.back() = '\n';
    return mail;
}

void make_short(std::size_t count, Numbers numbers, const fs::path& folder, const fs::path& mails_folder,
                std::int64_t from, std::int64_t to) {
    auto mails = read_mails(mails_folder);
    Rewording rewording(mails);
    Boxes boxes(folder, xl_per_file);
    auto step = (to - from) / static_cast<std::int64_t>(count);
    for (std::size_t n = 0; n < count; ++n) {
        auto time =
            from + static_cast<std::int64_t>(n) * step + static_cast<std::int64_t>(numbers.below(step));
        boxes.add(time, short_mail(n, time, rewording, numbers));
    }
    boxes.close();
}

int run(int argc, char** argv) {
    std::vector<std::string> words(argv + 1, argv + argc);
    if (words.size() < 4)
        throw std::runtime_error("usage: bench_data h|a|xl|news|spread COUNT SEED FOLDER [MAILS]");
    auto count = std::stoull(words[1]);
    Numbers numbers(std::stoull(words[2]));
    fs::path folder = words[3];
    fs::path mails = words.size() > 4 ? words[4] : "";
    fs::create_directories(folder);
    if (words[0] == "h")
        make_h(count, numbers, folder, mails);
    else if (words[0] == "a")
        make_a(count, numbers, folder);
    else if (words[0] == "xl" || words[0] == "spread")
        make_short(count, numbers, folder, mails, year_2012, year_2025);
    else if (words[0] == "news")
        make_short(count, numbers, folder, mails, year_2025, year_2025 + 86400);
    else
        throw std::runtime_error("no such data set: " + words[0]);
    return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    try {
        return bench::run(argc, argv);
    } catch (const std::exception& error) {
        std::cerr << "bench_data: " << error.what() << "\n";
        return 1;
    }
}

// Nodes that post to each other through a TMTP server, each the next one's correspondent, and how long that
// takes.
//
//     bench_tmtp --port P --nodes N --bytes B --seconds S [--rate R] [--churn C] [--pid PID]
//
// Each node registers, and has one post under way: the next one follows when the one before it has been
// acknowledged to the sender and has reached the recipient, who acknowledges it. --rate: all together post no
// more than R times a second. --churn: C nodes a second are cut off and log in again. Prints one JSON line:
// posts a second, latencies from the post to its arrival (p50, p99, most), and of the process PID the memory
// after a fifth of the time and at the end.
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "net/loop.h"
#include "net/tls.h"

using namespace kith;

namespace {

std::int64_t now_us() {
    using namespace std::chrono;
    return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

std::string framed(const std::string& json) {
    char size[5];
    std::snprintf(size, sizeof size, "%04zx", json.size());
    return size + json;
}

// The value of a key in compact JSON that a server wrote; the generator must cost less than what it measures.
std::string_view value_of(std::string_view json, std::string_view key) {
    const std::string pattern = "\"" + std::string(key) + "\":";
    auto at = json.find(pattern);
    if (at == std::string_view::npos) return {};
    at += pattern.size();
    if (json[at] == '"') return json.substr(at + 1, json.find('"', at + 1) - at - 1);
    return json.substr(at, json.find_first_of(",}", at) - at);
}

std::uint64_t memory_kb(int pid, const char* field) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with(field)) return std::stoull(line.substr(line.find_first_of("0123456789")));
    return 0;
}

// Of the process, used so far.
double cpu_s(int pid) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string word;
    double ticks = 0;
    for (int field = 1; field <= 15 && stat >> word; ++field)
        if (field >= 14) ticks += std::stod(word);
    return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

struct Options {
    std::uint16_t port = 0;
    std::size_t nodes = 2, bytes = 200;
    double seconds = 10, rate = 0, churn = 0;
    int pid = 0;
};

struct Node {
    std::unique_ptr<net::TlsClient> link;
    std::string uid, nodeid, in, post;  // post: the head and data of every post
    Bytes out;                          // all that one turn of the loop has to say
    bool online = false, acked = true, arrived = true, closing = false;
    std::int64_t sent_us = 0;
    bool idle() const { return online && acked && arrived; }
};

class Load {
  public:
    Load(net::Loop& loop, const Options& options) : loop_(loop), options_(options), nodes_(options.nodes) {}

    void run() {
        connect_more();
        if (!loop_.run_until([&] { return online_ == nodes_.size(); }, 300'000))
            give_up("not all nodes got in");
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            const auto& to = nodes_[(i + 1) % nodes_.size()].uid;
            nodes_[i].post = framed(R"({"op":7,"id":"p","for":[{"id":")" + to + R"(","type":1}],"datalen":)" +
                                    std::to_string(options_.bytes) + "}") +
                             std::string(options_.bytes, 'x');
        }
        const auto cpu_before = cpu_s(options_.pid);
        const auto begin = now_us();
        end_us_ = begin + static_cast<std::int64_t>(options_.seconds * 1e6);
        const auto early = begin + (end_us_ - begin) / 5;
        std::uint64_t early_kb = 0;
        if (options_.rate > 0) pace();
        if (options_.churn > 0) churn();
        if (options_.rate == 0)
            for (auto& node : nodes_) post(node);
        loop_.run_until(
            [&] {
                if (early_kb == 0 && now_us() >= early) early_kb = memory_kb(options_.pid, "VmRSS");
                return now_us() >= end_us_;
            },
            static_cast<std::int64_t>(options_.seconds * 1000) + 60'000);
        const double seconds = static_cast<double>(now_us() - begin) / 1e6;
        const auto end_kb = memory_kb(options_.pid, "VmRSS"), peak_kb = memory_kb(options_.pid, "VmHWM");
        std::sort(latencies_.begin(), latencies_.end());
        auto at = [&](double part) {
            if (latencies_.empty()) return 0.0;
            auto index = static_cast<std::size_t>(part * static_cast<double>(latencies_.size() - 1));
            return static_cast<double>(latencies_[index]) / 1000;
        };
        nlohmann::json result{
            {"nodes", nodes_.size()},
            {"bytes", options_.bytes},
            {"seconds", seconds},
            {"posts", latencies_.size()},
            {"per_s", static_cast<double>(latencies_.size()) / seconds},
            {"p50_ms", at(0.5)},
            {"p99_ms", at(0.99)},
            {"max_ms", at(1)},
            {"cpu_us", (cpu_s(options_.pid) - cpu_before) * 1e6 /
                           static_cast<double>(std::max<std::size_t>(1, latencies_.size()))},
            {"reconnects", reconnects_},
            {"early_mb", static_cast<double>(early_kb) / 1024},
            {"end_mb", static_cast<double>(end_kb) / 1024},
            {"peak_mb", static_cast<double>(peak_kb) / 1024}};
        std::printf("%s\n", result.dump().c_str());
    }

  private:
    [[noreturn]] void give_up(const std::string& why) {
        std::fprintf(stderr, "bench_tmtp: %s\n", why.c_str());
        std::exit(1);
    }

    // A few at a time, as the server takes only so many strangers of one address.
    void connect_more() {
        while (begun_ < nodes_.size() && begun_ < online_ + 50) connect(nodes_[begun_++]);
    }

    void connect(Node& node) {
        node.in.clear();
        node.online = node.closing = false;
        net::TlsClient::Events events;
        events.on_connected = [&node](const net::Pin&) {
            std::string hello = framed(R"({"op":0,"id":"1"})");
            if (node.uid.empty())
                hello += framed(R"({"op":1,"newnode":"load","newalias":"_"})");
            else
                hello += framed(R"({"op":2,"uid":")" + node.uid + R"(","node":")" + node.nodeid + R"("})");
            node.link->write(to_bytes(hello));
        };
        events.on_data = [this, &node](ByteView bytes) {
            node.in += as_text(bytes);
            read(node);
        };
        events.on_closed = [this, &node](const Error& why) {
            if (!node.closing) give_up("a link was lost: " + why.what);
            ++reconnects_;
            loop_.defer([this, &node] { connect(node); });
        };
        net::TlsConnect to;
        to.host = "127.0.0.1";
        to.port = options_.port;
        to.timeout_ms = 60'000;
        node.link = std::make_unique<net::TlsClient>(loop_, to, std::move(events));
    }

    void read(Node& node) {
        std::size_t at = 0;
        while (node.in.size() - at >= 4) {
            const auto size = std::stoul(node.in.substr(at, 4), nullptr, 16);
            if (node.in.size() - at < 4 + size) break;
            const auto head = std::string_view(node.in).substr(at + 4, size);
            const auto length = value_of(head, "datalen");
            const std::size_t data = length.empty() ? 0 : std::stoul(std::string(length));
            if (node.in.size() - at < 4 + size + data) break;
            take(node, head);
            at += 4 + size + data;
        }
        node.in.erase(0, at);
    }

    void take(Node& node, std::string_view head) {
        const auto op = value_of(head, "op");
        if (op == "ack") {
            if (head.find("\"error\"") != std::string_view::npos) give_up("refused: " + std::string(head));
            node.acked = true;
            return next(node);
        }
        if (op == "registered") {
            node.uid = value_of(head, "uid");
            node.nodeid = value_of(head, "nodeid");
        } else if (op == "info") {
            node.online = true;
            if (online_ < nodes_.size() && ++online_ <= nodes_.size()) connect_more();
        } else if (op == "quit") {
            give_up("quit: " + std::string(head));
        } else if (head.find("\"posted\"") != std::string_view::npos) {
            const auto id = value_of(head, "id");
            say(node, framed(R"({"op":10,"id":")" + std::string(id) + R"(","type":"ok"})"));
            if (op != "delivery") return;
            Node& sender =
                nodes_[(static_cast<std::size_t>(&node - nodes_.data()) + nodes_.size() - 1) % nodes_.size()];
            if (!std::exchange(sender.arrived, true)) latencies_.push_back(now_us() - sender.sent_us);
            next(sender);
        }
    }

    void say(Node& node, std::string_view text) {
        if (node.out.empty())
            loop_.defer([&node] {
                if (auto out = std::exchange(node.out, {}); node.online) node.link->write(std::move(out));
            });
        append(node.out, text);
    }

    void next(Node& node) {
        if (options_.rate == 0 && node.idle() && now_us() < end_us_) post(node);
    }

    void post(Node& node) {
        node.acked = node.arrived = false;
        node.sent_us = now_us();
        say(node, node.post);
    }

    void pace() {
        const auto each_ms = 10;
        owed_ += options_.rate * each_ms / 1000;
        for (std::size_t tries = nodes_.size(); owed_ >= 1 && tries > 0; --tries) {
            Node& node = nodes_[turn_++ % nodes_.size()];
            if (!node.idle()) continue;
            post(node);
            owed_ -= 1;
        }
        pace_timer_ = loop_.after(each_ms, [this] { pace(); });
    }

    void churn() {
        Node& node = nodes_[(victim_ += 7) % nodes_.size()];
        Node& sender = nodes_[((victim_ % nodes_.size()) + nodes_.size() - 1) % nodes_.size()];
        if (node.idle() && sender.arrived) {
            node.closing = true;
            node.online = false;
            node.link->close();
        }
        churn_timer_ = loop_.after(static_cast<std::int64_t>(1000 / options_.churn), [this] { churn(); });
    }

    net::Loop& loop_;
    const Options& options_;
    std::vector<Node> nodes_;
    std::size_t begun_ = 0, online_ = 0, turn_ = 0, victim_ = 0, reconnects_ = 0;
    std::vector<std::int64_t> latencies_;  // microseconds
    std::int64_t end_us_ = 0;
    double owed_ = 0;
    net::Timer pace_timer_, churn_timer_;
};

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app("load for a TMTP server");
    app.add_option("--port", options.port)->required();
    app.add_option("--nodes", options.nodes);
    app.add_option("--bytes", options.bytes);
    app.add_option("--seconds", options.seconds);
    app.add_option("--rate", options.rate);
    app.add_option("--churn", options.churn);
    app.add_option("--pid", options.pid);
    CLI11_PARSE(app, argc, argv);
    std::signal(SIGPIPE, SIG_IGN);
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    net::Loop loop;
    Load load(loop, options);
    load.run();
}

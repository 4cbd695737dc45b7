#include "net/connector.h"

#include <algorithm>

#include "base/limits.h"

namespace kith::net {

using asio::ip::tcp;

namespace {

Reach reach_of(const asio::error_code& error) {
    if (!error) return Reach::ok;
    if (error == asio::error::connection_refused || error == asio::error::connection_reset)
        return Reach::refused;
    if (error == asio::error::timed_out) return Reach::timed_out;
    return Reach::unreachable;
}

// How much an outcome tells a person: what answered says more than silence.
int weight(Reach how) {
    switch (how) {
        case Reach::unknown_host:
            return 0;
        case Reach::unreachable:
            return 1;
        case Reach::timed_out:
            return 2;
        case Reach::refused:
            return 3;
        case Reach::ok:
            return 4;
    }
    return 0;
}

}  // namespace

Connector::Connector(Loop& loop, std::uint16_t port, std::int64_t timeout_ms, Done done)
    : loop_(loop),
      resolver_(loop.inner().context),
      socket_(loop.inner().context),
      port_(port),
      deadline_ms_(loop.now().mono_ms + timeout_ms),
      done_(std::move(done)) {}

std::shared_ptr<Connector> Connector::start(Loop& loop, const std::string& host, std::uint16_t port,
                                            std::int64_t timeout_ms, Done done) {
    std::shared_ptr<Connector> connector(new Connector(loop, port, timeout_ms, std::move(done)));
    connector->resolve(host);
    return connector;
}

void Connector::cancel() {
    done_ = nullptr;
    timer_.cancel();
    resolver_.cancel();
    asio::error_code ignored;
    socket_.close(ignored);
}

void Connector::resolve(const std::string& host) {
    auto self = shared_from_this();
    asio::error_code error;
    // An address in numbers needs no resolver, and none of its threads.
    if (auto address = asio::ip::make_address(host, error); !error) {
        addresses_.emplace_back(address, port_);
        loop_.defer([self] { self->try_next(); });
        return;
    }
    timer_ = loop_.after(deadline_ms_ - loop_.now().mono_ms, [self] {
        self->resolver_.cancel();
        self->best_ = Reach::timed_out;
        self->finish(Reach::timed_out);
    });
    resolver_.async_resolve(host, std::to_string(port_), tcp::resolver::numeric_service,
                            [self](const asio::error_code& failed, const tcp::resolver::results_type& found) {
                                if (!self->done_) return;
                                if (failed) return self->finish(Reach::unknown_host);
                                for (const auto& entry : found) {
                                    if (self->addresses_.size() < limits::connect_addresses)
                                        self->addresses_.push_back(entry.endpoint());
                                }
                                self->try_next();
                            });
}

void Connector::try_next() {
    if (!done_) return;
    const auto left_ms = deadline_ms_ - loop_.now().mono_ms;
    if (left_ms <= 0 && next_ > 0) return finish(best_);
    if (next_ == addresses_.size()) return finish(best_);
    const bool last = next_ + 1 == addresses_.size();
    const auto address = addresses_[next_++];

    auto self = shared_from_this();
    socket_ = tcp::socket(loop_.inner().context);
    timer_ = loop_.after(last ? left_ms : std::min(left_ms, limits::connect_one_ms), [self] {
        if (weight(Reach::timed_out) > weight(self->best_)) self->best_ = Reach::timed_out;
        asio::error_code ignored;
        self->socket_.close(ignored);  // the attempt's own handler goes on to the next
    });
    socket_.async_connect(address, [self](const asio::error_code& error) {
        if (!self->done_) return;
        if (!error && self->socket_.is_open()) return self->finish(Reach::ok);
        if (error != asio::error::operation_aborted && weight(reach_of(error)) > weight(self->best_))
            self->best_ = reach_of(error);
        self->try_next();
    });
}

void Connector::finish(Reach how) {
    if (!done_) return;
    timer_.cancel();
    auto done = std::move(done_);
    done_ = nullptr;
    asio::error_code ignored;
    if (how == Reach::ok)
        socket_.set_option(tcp::no_delay(true), ignored);
    else
        socket_.close(ignored);
    done(how, std::move(socket_));
}

std::string host_port(const std::string& host, std::uint16_t port) {
    const bool brackets = host.find(':') != std::string::npos;
    return (brackets ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Error reach_error(Reach how, const std::string& where) {
    const auto what = "cannot connect to " + where + ": " + std::string(reach_text(how));
    switch (how) {
        case Reach::ok:
            return {Fault::unreachable, where + " closed the connection", "try again later"};
        case Reach::refused:
            return {Fault::unreachable, what, "check the port, and that the program there is running"};
        case Reach::unreachable:
            return {Fault::unreachable, what, "check that both machines are on the same network"};
        case Reach::timed_out:
            return {Fault::timed_out, what,
                    "check that the machine is on and that no firewall is in between"};
        case Reach::unknown_host:
            return {Fault::unreachable, what, "check the name and the network"};
    }
    return {Fault::unreachable, what, {}};
}

}  // namespace kith::net

#include "net/loopback.h"

#include <array>
#include <vector>

#include "base/limits.h"
#include "net/inner.h"
#include "net/limits.h"

namespace kith::net {

using asio::ip::tcp;

namespace {

// One browser's connection. Keeps itself alive until it is closed.
struct Visitor : std::enable_shared_from_this<Visitor> {
    Visitor(Loop& loop, tcp::socket connected) : socket(std::move(connected)) {
        timer = loop.after(limits::loopback_ms, [this] { close(); });
    }
    void close() {
        asio::error_code ignored;
        socket.close(ignored);
    }
    tcp::socket socket;
    Timer timer;
    std::array<char, 4096> buffer;
    std::string received, answer;
};

void send(const std::shared_ptr<Visitor>& visitor, std::string answer) {
    visitor->answer = std::move(answer);
    asio::async_write(visitor->socket, asio::buffer(visitor->answer),
                      [visitor](const asio::error_code&, std::size_t) {
                          asio::error_code ignored;
                          visitor->socket.shutdown(tcp::socket::shutdown_both, ignored);
                          visitor->close();
                          visitor->timer.cancel();
                      });
}

}  // namespace

struct LoopbackServer::State : std::enable_shared_from_this<LoopbackServer::State> {
    State(Loop& on, Handler with) : loop(on), acceptor(on.inner().context), handler(std::move(with)) {}

    void accept() {
        acceptor.async_accept([self = shared_from_this()](const asio::error_code& error, tcp::socket socket) {
            if (!self->handler) return;
            if (error) {
                self->retry = self->loop.after(limits::accept_retry_ms, [self] { self->accept(); });
                return;
            }
            std::erase_if(self->visitors, [](const auto& one) { return one.expired(); });
            if (self->visitors.size() < limits::loopback_connections) {
                auto visitor = std::make_shared<Visitor>(self->loop, std::move(socket));
                self->visitors.push_back(visitor);
                self->read(visitor);
            }
            self->accept();
        });
    }
    void read(const std::shared_ptr<Visitor>& visitor) {
        visitor->socket.async_read_some(
            asio::buffer(visitor->buffer),
            [self = shared_from_this(), visitor](const asio::error_code& error, std::size_t count) {
                if (error || !self->handler) return visitor->timer.cancel();
                visitor->received.append(visitor->buffer.data(), count);
                auto respond = self->handler;  // it may destroy the server
                auto answer = respond(visitor->received);
                if (answer)
                    send(visitor, std::move(*answer));
                else if (self->handler)
                    self->read(visitor);
            });
    }

    Loop& loop;
    tcp::acceptor acceptor;
    Handler handler;
    std::vector<std::weak_ptr<Visitor>> visitors;
    Timer retry;
};

Result<std::unique_ptr<LoopbackServer>> LoopbackServer::listen(Loop& loop, std::uint16_t port,
                                                               Handler handler) {
    auto state = std::make_shared<State>(loop, std::move(handler));
    asio::error_code error;
    tcp::endpoint at(asio::ip::address_v4::loopback(), port);
    state->acceptor.open(at.protocol(), error);
    if (!error) state->acceptor.bind(at, error);
    if (!error) state->acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error)
        return fail(Fault::unavailable,
                    "cannot listen on 127.0.0.1:" + std::to_string(port) + ": " + error.message(),
                    "end the program that uses this port, and try again");
    state->accept();
    return std::unique_ptr<LoopbackServer>(new LoopbackServer(std::move(state)));
}

LoopbackServer::LoopbackServer(std::shared_ptr<State> state) : state_(std::move(state)) {}

LoopbackServer::~LoopbackServer() {
    state_->handler = nullptr;
    state_->retry.cancel();
    asio::error_code ignored;
    state_->acceptor.close(ignored);
}

std::uint16_t LoopbackServer::port() const {
    asio::error_code ignored;
    return state_->acceptor.local_endpoint(ignored).port();
}

}  // namespace kith::net

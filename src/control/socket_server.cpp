#include "control/socket_server.h"

#include <map>
#include <vector>

#include "base/limits.h"
#include "net/local_socket.h"

namespace kith::control {

struct SocketServer::State : std::enable_shared_from_this<State> {
    struct Client {
        Call call;
        bool started = false;
        bool ended = false;
    };

    State(net::Loop& loop_in, Dispatcher& dispatcher_in) : loop(loop_in), dispatcher(dispatcher_in) {}

    net::Loop& loop;
    Dispatcher& dispatcher;
    std::unique_ptr<net::LocalServer> server;
    std::map<net::LocalPeer, Client> clients;
    std::function<void()> closed;  // set while closing
    net::Timer patience;

    void opened(net::LocalPeer peer) {
        if (closed) return server->close(peer);
        clients[peer];
    }

    void line(net::LocalPeer peer, std::string_view text) {
        auto self = shared_from_this();  // a handler may destroy the server
        auto at = clients.find(peer);
        if (at == clients.end() || at->second.ended) return;
        auto message = parse_from_client(text);
        if (!message) return end(peer, Failed{std::move(message).error()});
        if (auto* start = std::get_if<Start>(&*message)) return begin(peer, std::move(*start));
        if (!at->second.started)
            return end(peer, Failed{{Fault::protocol, "the first line is not a request", ""}});
        // Moved out while it runs: the answer may end the call, and so change `clients`.
        Call call = std::move(at->second.call);
        if (auto* answer = std::get_if<Answer>(&*message))
            call.answer(answer->name, answer->value);
        else
            call.cancel();
        keep(peer, std::move(call));
    }

    void begin(net::LocalPeer peer, Start start) {
        Client& client = clients[peer];
        if (client.started) return end(peer, Failed{{Fault::protocol, "a connection takes one request", ""}});
        client.started = true;
        auto sink = [weak = weak_from_this(), peer](const FromDaemon& message) {
            if (auto self = weak.lock()) self->say(peer, message);
        };
        Call call =
            dispatcher.call(std::move(start.method), std::move(start.args), std::move(start.secrets), sink);
        keep(peer, std::move(call));
    }

    // A call that has ended meanwhile, or whose client has gone, is left instead.
    void keep(net::LocalPeer peer, Call call) {
        auto at = clients.find(peer);
        if (at != clients.end() && !at->second.ended) at->second.call = std::move(call);
    }

    void say(net::LocalPeer peer, const FromDaemon& message) {
        if (!server) return;
        if (std::holds_alternative<Finished>(message) || std::holds_alternative<Failed>(message))
            return end(peer, message);
        std::string text = to_line(message);
        bool fits = text.size() <= limits::control_reply_bytes &&
                    server->queued(peer) + text.size() <= limits::control_queue_bytes;
        if (!fits || !server->send(peer, text)) drop(peer);
    }

    void end(net::LocalPeer peer, const FromDaemon& last) {
        auto at = clients.find(peer);
        if (!server || at == clients.end() || at->second.ended) return;
        at->second.ended = true;
        std::string text = to_line(last);
        if (text.size() > limits::control_reply_bytes)
            text =
                to_line(Failed{{Fault::invalid, "the answer is too large", "ask for less of it at a time"}});
        server->send(peer, text);
        server->close(peer);
    }

    // Closes a client that cannot be told anything. Its call is left on the loop, for this may run within the
    // handler's own output.
    void drop(net::LocalPeer peer) {
        auto at = clients.find(peer);
        if (at == clients.end() || at->second.ended) return;
        at->second.ended = true;
        loop.defer([call = std::make_shared<Call>(std::move(at->second.call))] { call->leave(); });
        server->close(peer);
    }

    void lost(net::LocalPeer peer) {
        auto self = shared_from_this();
        auto at = clients.find(peer);
        if (at != clients.end()) {
            Call call = std::move(at->second.call);
            clients.erase(at);
            call.leave();
        }
        finish_closing(false);
    }

    void finish_closing(bool now) {
        if (!closed || (!clients.empty() && !now)) return;
        patience.cancel();
        auto done = std::move(closed);
        closed = [] {};  // still closing: no new clients
        loop.defer(std::move(done));
    }
};

SocketServer::SocketServer(std::shared_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<SocketServer>> SocketServer::listen(net::Loop& loop, Dispatcher& dispatcher,
                                                           const std::filesystem::path& path) {
    auto state = std::make_shared<State>(loop, dispatcher);
    State* raw = state.get();  // the server, and with it these callbacks, ends before the state does
    net::LocalServer::Events events;
    events.on_open = [raw](net::LocalPeer peer) { raw->opened(peer); };
    events.on_line = [raw](net::LocalPeer peer, std::string_view line) { raw->line(peer, line); };
    events.on_closed = [raw](net::LocalPeer peer) { raw->lost(peer); };
    KITH_TRY_VALUE(server, net::LocalServer::listen(loop, path.string(), std::move(events)));
    state->server = std::move(server);
    return std::unique_ptr<SocketServer>(new SocketServer(std::move(state)));
}

SocketServer::~SocketServer() {
    state_->server.reset();
    auto clients = std::move(state_->clients);
    state_->clients.clear();
    for (auto& [peer, client] : clients) client.call.leave();
}

void SocketServer::close(std::function<void()> done) {
    state_->closed = std::move(done);
    std::vector<net::LocalPeer> peers;
    for (auto& [peer, client] : state_->clients) peers.push_back(peer);
    for (auto peer : peers) state_->server->close(peer);
    state_->patience =
        state_->loop.after(limits::control_flush_ms, [raw = state_.get()] { raw->finish_closing(true); });
    state_->finish_closing(false);
}

}  // namespace kith::control

// What the operator can ask of a service: tmtpd user|node|group list, tmtpd node drop. The running tmtpd is
// asked over a local socket in its folder; where none runs, the folder is opened.
//
// A request is one line, {"do":"users"|"nodes"|"groups"|"drop_node","node":N}; the answer lines with an
// object each, the last one {"done":true} or {"error":...,"hint":...}.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "net/local_socket.h"
#include "sql_store.h"

namespace kith::tmtpd {

// How the service that answers hears of what it has to know.
struct OperatorHooks {
    std::function<bool(tmtp::NodeRef)> online = [](tmtp::NodeRef) { return false; };
    std::function<void(tmtp::NodeRef)> dropped = [](tmtp::NodeRef) {};
};
std::vector<std::string> answer_operator(std::string_view request, SqlStore& store,
                                         const OperatorHooks& hooks);

// Listens for the operator of a running service.
class OperatorSocket {
  public:
    static Result<std::unique_ptr<OperatorSocket>> listen(net::Loop& loop, const std::string& dir,
                                                          SqlStore& store, OperatorHooks hooks);

  private:
    void send(net::LocalPeer peer);

    std::unique_ptr<net::LocalServer> server_;
    std::map<net::LocalPeer, std::pair<std::vector<std::string>, std::size_t>> answers_;
};

// The command: prints what came, as a table or as the JSON lines. The exit code.
int run_operator(const std::string& dir, const std::string& request, bool json);

}  // namespace kith::tmtpd

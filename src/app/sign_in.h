// Signs in at a provider for registering with a service: shows an address to the owner, waits on loopback for
// the browser to come back, and fetches the token (signin/flow.h). Once.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "net/https.h"
#include "net/loopback.h"
#include "signin/flow.h"
#include "tmtp/replies.h"

namespace kith::app {

class SignIn {
  public:
    struct Events {
        std::function<void(const std::string& url, const std::string& label)> on_url;
        std::function<void(Result<std::string> id_token)> on_end;  // once, as the last thing
    };
    // With the provider of this label; without one, with the only one. on_url comes before this returns.
    static Result<std::unique_ptr<SignIn>> start(net::Loop& loop, Random& random,
                                                 const std::vector<tmtp::AuthBy>& providers,
                                                 const std::string& label, Events events);
    void cancel();

  private:
    SignIn(net::Loop& loop, signin::Flow flow, Events events)
        : loop_(loop), flow_(std::move(flow)), events_(std::move(events)) {}
    std::optional<std::string> visited(std::string_view received);
    void end(Result<std::string> token);

    net::Loop& loop_;
    signin::Flow flow_;
    Events events_;
    std::unique_ptr<net::LoopbackServer> server_;
    std::unique_ptr<net::HttpsCall> call_;
    net::Timer timer_;
};

}  // namespace kith::app

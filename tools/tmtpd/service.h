// A running TMTP service: the server machine between a TLS listener and the store.
//
// What links bring is handed to the machine at once; what it answers waits until the store has made durable
// what the answers stand for. One sync serves all that came while the one before it ran.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "account/rules.h"
#include "config.h"
#include "crypto/keys.h"
#include "net/file_lock.h"
#include "net/loop.h"
#include "net/tls.h"
#include "operator.h"
#include "sign_in.h"
#include "sql_store.h"
#include "tmtp/server.h"

namespace kith::tmtpd {

class Service {
  public:
    // Opens the folder and listens. `loop` must outlive the service. `ended` is called once, when the service
    // has ended: after stop(), or by itself, with the reason, when its store cannot be relied on any more.
    static Result<std::unique_ptr<Service>> start(net::Loop& loop, const Config& config,
                                                  std::function<void(Result<>)> ended);

    // What clients are given: "=host:port", "+host:port" where an authority signed the certificate.
    std::string address() const;
    std::string pin() const;  // of the certificate's key, in hexadecimal
    // Takes no more links, tells those that stand, and ends when they are closed. Again: at once.
    void stop();

  private:
    Service(net::Loop& loop, const Config& config, net::FileLock lock, std::unique_ptr<SqlStore> store,
            std::function<void(Result<>)> ended);
    Result<> listen();
    Result<> listen_to_operator();
    void opened(net::TlsSession session);
    void closed(net::TlsSession session, const Error& why);
    void note(tmtp::HubActions actions);
    void commit();
    void carry_out(tmtp::HubAction& action);
    void tick();
    void set_timer();
    void set_flush();
    void flush();
    void watch_tls_files();
    void end(Result<> how);
    // A link that has not logged in yet, or has ended.
    void no_stranger(tmtp::LinkId link);

    net::Loop& loop_;
    const Config config_;
    net::FileLock lock_;
    std::unique_ptr<SqlStore> store_;
    crypto::SystemRandom random_;
    std::unique_ptr<TokenSignIn> sign_in_;
    account::Rules rules_;
    tmtp::Hub hub_;
    std::function<void(Result<>)> ended_;
    std::unique_ptr<net::TlsServer> server_;
    std::unique_ptr<OperatorSocket> operator_;
    char mark_ = '=';
    std::string tls_files_;
    bool tls_files_bad_ = false;

    tmtp::HubActions waiting_;  // for the commit
    bool commit_due_ = false;
    bool flush_failed_ = false;  // for want of room: tried again later
    bool stopping_ = false;
    std::map<tmtp::LinkId, std::string> strangers_;  // not logged in: where they come from
    std::map<std::string, std::size_t> strangers_from_;
    net::Timer timer_, flush_timer_, tls_timer_, stop_timer_;
    std::int64_t timer_at_ms_ = 0;
};

}  // namespace kith::tmtpd

// A running TMTP service: the server machine between a TLS listener and the database.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "crypto/keys.h"
#include "net/file_lock.h"
#include "net/loop.h"
#include "net/tls.h"
#include "sign_in.h"
#include "sql_store.h"
#include "tmtp/server.h"

namespace kith::tmtpd {

struct Options {
    std::string dir;         // made when it is not there; one tmtpd at a time
    std::string host;        // where to listen, without brackets
    std::uint16_t port = 0;  // 0: any
    std::string name;        // the site's name, told to every client
    SignInOptions sign_in;   // who may register
};

class Service {
  public:
    // Opens the folder and listens. `loop` must outlive the service.
    static Result<std::unique_ptr<Service>> start(net::Loop& loop, const Options& options);

    // What clients are given: "=host:port".
    std::string address() const;
    std::string pin() const;  // of the certificate's key, in hexadecimal

  private:
    Service(net::Loop& loop, net::FileLock lock, std::unique_ptr<SqlStore> store, std::string host,
            const std::string& name);
    Result<> listen(const net::TlsIdentity& identity, std::uint16_t port);
    void opened(net::TlsSession session);
    void closed(net::TlsSession session, const Error& why);
    void carry_out(tmtp::HubActions actions);
    void tick();
    void set_timer();

    net::Loop& loop_;
    net::FileLock lock_;
    std::unique_ptr<SqlStore> store_;
    crypto::SystemRandom random_;
    std::string host_;
    std::unique_ptr<TokenSignIn> sign_in_;
    tmtp::Hub hub_;
    std::unique_ptr<net::TlsServer> server_;
    net::Timer timer_;
    std::int64_t timer_at_ms_ = 0;
};

}  // namespace kith::tmtpd

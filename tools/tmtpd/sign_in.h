// Who may register, by the word of a provider of OpenID Connect. Its keys come from a file, or over HTTPS
// from the address where it publishes them, and are read again when they are an hour old, or when a token
// names one that is not known.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config.h"
#include "crypto/hash.h"
#include "net/https.h"
#include "signin/token.h"
#include "tmtp/server.h"

namespace kith::tmtpd {

class TokenSignIn : public tmtp::SignIn {
  public:
    using Log = std::function<void(const std::string&)>;
    // Fault::invalid when options are missing or do not fit. A provider that is not reached now is asked
    // again; until then nobody registers. `loop` must outlive it.
    static Result<std::unique_ptr<TokenSignIn>> start(net::Loop& loop, SignInOptions options, Log log);

    std::vector<tmtp::AuthBy> providers() const override;
    std::string objection(const std::string& id_token, Now now) override;

  private:
    TokenSignIn(net::Loop& loop, SignInOptions options, Log log);
    void read_keys();
    void take_keys(Result<std::string> json);
    std::string used_before(const std::string& signed_part, std::int64_t now_s);

    net::Loop& loop_;
    SignInOptions options_;
    Log log_;
    std::vector<signin::VerifyKey> keys_;
    std::unique_ptr<net::HttpsCall> call_;
    net::Timer timer_, call_end_timer_;
    std::int64_t asked_ms_ = 0;
    // Tokens that have registered somebody: not a second time, by whoever has seen them.
    std::map<crypto::Hash, std::int64_t> used_;  // until when they would count, s
};

}  // namespace kith::tmtpd

// One request over HTTPS to a server that an authority of the system vouches for. No redirects, no cookies,
// nothing kept open.
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "net/tls.h"
#include "wire/http.h"

namespace kith::net {

class HttpsCall {
  public:
    using Done = std::function<void(Result<wire::HttpAnswer>)>;
    // `done` is called once, and never before this has returned. Fault::invalid for an address that is not
    // https.
    HttpsCall(Loop& loop, const wire::HttpRequest& request, Done done);
    // Stops; nothing is called back.
    ~HttpsCall();

  private:
    void end(Result<wire::HttpAnswer> answer);
    wire::HttpReader reader_;
    Done done_;
    std::unique_ptr<TlsClient> tls_;
    Timer timer_;
};

}  // namespace kith::net

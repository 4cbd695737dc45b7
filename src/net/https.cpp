#include "net/https.h"

#include "net/limits.h"

namespace kith::net {

HttpsCall::HttpsCall(Loop& loop, const wire::HttpRequest& request, Done done) : done_(std::move(done)) {
    if (!request.url.tls) {
        timer_ = loop.after(0, [this] { end(fail(Fault::invalid, "the address is not https", "")); });
        return;
    }
    timer_ = loop.after(limits::https_ms, [this] {
        end(fail(Fault::timed_out, "the sign-in provider did not answer in time", "try again"));
    });
    TlsClient::Events events;
    events.on_data = [this](ByteView bytes) {
        auto answer = reader_.add(bytes);
        if (!answer) return end(fail(answer.error()));
        if (*answer) end(std::move(**answer));
    };
    events.on_closed = [this](const Error& why) {
        auto answer = reader_.end();
        // What came tells more than how it ended.
        end(answer ? std::move(answer) : Result<wire::HttpAnswer>(fail(why)));
    };
    TlsConnect to;
    to.host = request.url.host;
    to.port = request.url.port;
    to.trust = TlsConnect::Trust::authorities;
    tls_ = std::make_unique<TlsClient>(loop, to, std::move(events));
    tls_->write(to_bytes(wire::encode(request)));
}

HttpsCall::~HttpsCall() = default;

void HttpsCall::end(Result<wire::HttpAnswer> answer) {
    auto call = std::move(done_);
    done_ = nullptr;
    timer_.cancel();
    if (call) call(std::move(answer));  // may destroy this
}

}  // namespace kith::net

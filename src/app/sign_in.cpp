#include "app/sign_in.h"

#include <algorithm>

#include "crypto/hash.h"
#include "crypto/keys.h"
#include "signin/limits.h"

namespace kith::app {
namespace {

Result<signin::Provider> choose(const std::vector<tmtp::AuthBy>& providers, const std::string& label) {
    auto at = providers.begin();
    if (!label.empty())
        at = std::find_if(providers.begin(), providers.end(),
                          [&](const tmtp::AuthBy& one) { return one.label == label; });
    if (at == providers.end() || (label.empty() && providers.size() != 1)) {
        std::string labels;
        for (const auto& one : providers) {
            auto read = signin::read_provider(one.label, one.login, one.token);
            if (read) labels += (labels.empty() ? "" : ", ") + read->label;
        }
        return fail(Fault::invalid, "the service asks for a sign-in with one of: " + labels,
                    "choose one with --sign-in");
    }
    return signin::read_provider(at->label, at->login, at->token);
}

signin::FlowSecrets fresh_secrets(Random& random) {
    auto one = [&] { return wire::to_base64url(crypto::random_secret(random).view()); };
    signin::FlowSecrets secrets{one(), one(), one(), {}};
    secrets.challenge = wire::to_base64url(crypto::sha256(as_bytes(secrets.verifier)));
    return secrets;
}

}  // namespace

Result<std::unique_ptr<SignIn>> SignIn::start(net::Loop& loop, Random& random,
                                              const std::vector<tmtp::AuthBy>& providers,
                                              const std::string& label, Events events) {
    KITH_TRY_VALUE(provider, choose(providers, label));
    auto shown = provider.label;
    std::unique_ptr<SignIn> self(
        new SignIn(loop, signin::Flow(std::move(provider), fresh_secrets(random)), std::move(events)));
    KITH_TRY_VALUE(server, net::LoopbackServer::listen(loop, self->flow_.port().value_or(0),
                                                       [raw = self.get()](std::string_view received) {
                                                           return raw->visited(received);
                                                       }));
    self->server_ = std::move(server);
    self->timer_ = loop.after(limits::sign_in_ms, [raw = self.get()] {
        raw->end(fail(Fault::timed_out, "nobody has signed in", "run the command again"));
    });
    self->events_.on_url(self->flow_.login_url(self->server_->port()), shown);
    return self;
}

void SignIn::cancel() {
    end(fail(Fault::cancelled, "the sign-in was stopped", "nothing was registered"));
}

std::optional<std::string> SignIn::visited(std::string_view received) {
    auto target = wire::asked_for(received);
    if (!target) return std::nullopt;
    auto came = flow_.came(*target);
    if (came.failed) timer_ = loop_.after(0, [this, why = *came.failed] { end(fail(why)); });
    if (came.next)
        call_ = std::make_unique<net::HttpsCall>(loop_, *came.next, [this](Result<wire::HttpAnswer> answer) {
            if (!answer) return end(fail(answer.error()));
            end(flow_.answered(*answer, loop_.now().unix_ms / 1000));
        });
    return came.page;
}

void SignIn::end(Result<std::string> token) {
    auto call = std::move(events_.on_end);
    events_.on_end = nullptr;
    timer_.cancel();
    if (call) call(std::move(token));
}

}  // namespace kith::app

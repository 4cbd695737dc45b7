// What is asked of services, kept until they have answered: it survives a crash, and goes out when the
// service is reached. Durable when a call returns.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/profile.h"
#include "tmtp/ops.h"

namespace kith::app {

class Outbox {
  public:
    explicit Outbox(Profile& profile) : profile_(profile) {}

    enum class State {
        queued,   // not sent yet
        sent,     // without an answer: it may have arrived
        refused,  // by the service, when nobody was there to be told
    };
    struct Item {
        std::int64_t id = 0;
        AccountId account;
        tmtp::Op op;
        State state = State::queued;
        std::string why;  // refused
        std::int64_t made_ms = 0;
        std::uint64_t size = 0;  // of its data
    };

    Result<std::int64_t> add(const AccountId& account, tmtp::Asking asking, Now now);
    Result<std::vector<Item>> list(const AccountId& account) const;  // oldest first
    // The oldest that are not sent yet, and if wanted those that are.
    Result<std::vector<Item>> next(const AccountId& account, bool with_sent, std::size_t most) const;
    Result<std::optional<Item>> find(const AccountId& account, std::int64_t id) const;
    Result<Bytes> data(const Item& item) const;
    Result<> set(std::int64_t id, State state, std::string_view why = {});
    Result<> remove(std::int64_t id);
    // A post that was sent, without an answer, with exactly this data; `open` tells which are worth a look.
    Result<std::optional<Item>> find_sent(const AccountId& account, ByteView data,
                                          const std::function<bool(const Item&)>& open) const;

  private:
    Result<std::vector<Item>> read(const AccountId& account, const store::AskedOf& of) const;
    Profile& profile_;
};

std::string_view outbox_state_name(Outbox::State state);
// The post in an op; nullptr when it is none.
const tmtp::Post* post_in(const tmtp::Op& op);

}  // namespace kith::app

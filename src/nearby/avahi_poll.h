// Avahi's event polling interface (avahi-common/watch.h) on the loop. Of use to this layer's sources alone.
#pragma once

#include <avahi-common/watch.h>

#include "net/loop.h"

namespace kith::nearby {

class AvahiLoop {
  public:
    explicit AvahiLoop(net::Loop& loop);
    AvahiLoop(const AvahiLoop&) = delete;
    AvahiLoop& operator=(const AvahiLoop&) = delete;
    const AvahiPoll* api() const { return &api_; }
    net::Loop& loop() const { return loop_; }

  private:
    net::Loop& loop_;
    AvahiPoll api_;
};

}  // namespace kith::nearby

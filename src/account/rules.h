// What a service makes of an account's roster: its verdicts for the server machine, from the fold of
// src/roster. The same entries give the same verdict everywhere.
#pragma once

#include "account/folds.h"
#include "tmtp/node_rules.h"

namespace kith::account {

class Rules : public tmtp::NodeRules {
  public:
    Result<tmtp::Ruling> found(ByteView log) const override;
    Result<tmtp::Ruling> judge(ByteView kept, ByteView fresh) const override;
    bool brings_news(ByteView kept, ByteView fresh) const override;
    Result<Bytes> recovery(ByteView kept) const override;
    bool proves(ByteView key, ByteView bytes, ByteView proof) const override;

  private:
    mutable Folds folds_;  // what is asked about one account comes in a row, and by strangers
};

}  // namespace kith::account

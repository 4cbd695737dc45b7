#include "account/folds.h"

#include <algorithm>

#include "account/limits.h"

namespace kith::account {

std::shared_ptr<const Fold> Folds::find(ByteView packed) {
    const auto at = std::ranges::find_if(
        folds_, [&](const auto& fold) { return std::ranges::equal(fold->packed, packed); });
    if (at == folds_.end()) return nullptr;
    folds_.splice(folds_.begin(), folds_, at);
    return folds_.front();
}

Result<std::shared_ptr<const Fold>> Folds::of(ByteView packed) {
    if (auto known = find(packed)) return known;
    auto entries = roster::unpack_entries(packed);
    if (!entries) return fail(Fault::refused, "the entries cannot be read");
    if (entries->empty()) return fail(Fault::refused, "there is no roster");
    Fold fold{to_bytes(packed), std::move(*entries), {}, {}};
    KITH_TRY_VALUE(state,
                   roster::fold(roster::person_of(fold.entries.front().id), fold.entries, fold.memory));
    fold.state = std::move(state);
    return keep(std::move(fold));
}

std::shared_ptr<const Fold> Folds::keep(Fold fold) {
    if (auto known = find(fold.packed)) return known;
    auto kept = std::make_shared<const Fold>(std::move(fold));
    bytes_ += kept->packed.size();
    folds_.push_front(kept);
    while (folds_.size() > limits::account_folds || bytes_ > limits::account_folds_bytes) {
        bytes_ -= folds_.back()->packed.size();
        folds_.pop_back();
    }
    return kept;
}

}  // namespace kith::account

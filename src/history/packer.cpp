#include "history/packer.h"

#include <zstd.h>

#include <new>

namespace kith::history {
namespace {

constexpr int level = 1;                   // about as fast as the disk
constexpr std::size_t worth_trying = 128;  // bytes: below, zstd's own head eats what is saved

}  // namespace

struct Packer::State {
    ZSTD_CCtx* packing = ZSTD_createCCtx();
    ZSTD_DCtx* unpacking = ZSTD_createDCtx();
    Bytes out;
    ~State() {
        ZSTD_freeCCtx(packing);
        ZSTD_freeDCtx(unpacking);
    }
};

Packer::Packer() : state_(std::make_unique<State>()) {
    if (!state_->packing || !state_->unpacking) throw std::bad_alloc();
}

Packer::~Packer() = default;

std::optional<ByteView> Packer::pack(ByteView plain) {
    if (plain.size() < worth_trying) return std::nullopt;
    auto& out = state_->out;
    if (auto bound = ZSTD_compressBound(plain.size()); out.size() < bound) out.resize(bound);
    auto size = ZSTD_compressCCtx(state_->packing, out.data(), out.size(), plain.data(), plain.size(), level);
    if (ZSTD_isError(size) || size > plain.size() - plain.size() / 8) return std::nullopt;
    return ByteView(out).first(size);
}

std::optional<Bytes> Packer::unpack(ByteView packed, std::size_t size) {
    Bytes plain(size);
    auto got =
        ZSTD_decompressDCtx(state_->unpacking, plain.data(), plain.size(), packed.data(), packed.size());
    if (ZSTD_isError(got) || got != size) return std::nullopt;
    return plain;
}

}  // namespace kith::history

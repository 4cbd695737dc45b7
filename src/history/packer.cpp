#include "history/packer.h"

#include <zstd.h>

#include <new>

#include "history/dictionary.h"

namespace kith::history {
namespace {

constexpr int level = 1;                   // about as fast as the disk
constexpr std::size_t worth_trying = 512;  // bytes: shorter ones pack better together, as a batch

}  // namespace

struct Packer::State {
    ZSTD_CCtx* packing = ZSTD_createCCtx();
    ZSTD_DCtx* unpacking = ZSTD_createDCtx();
    ZSTD_CDict* from = ZSTD_createCDict(dictionary().data(), dictionary().size(), level);
    ZSTD_DDict* back = ZSTD_createDDict(dictionary().data(), dictionary().size());
    Bytes out, in;
    ~State() {
        ZSTD_freeCCtx(packing);
        ZSTD_freeDCtx(unpacking);
        ZSTD_freeCDict(from);
        ZSTD_freeDDict(back);
    }
};

Packer::Packer() : state_(std::make_unique<State>()) {
    if (!state_->packing || !state_->unpacking || !state_->from || !state_->back) throw std::bad_alloc();
}

Packer::~Packer() = default;

std::optional<ByteView> Packer::pack(ByteView plain) {
    if (plain.size() < worth_trying) return std::nullopt;
    auto& out = state_->out;
    if (auto bound = ZSTD_compressBound(plain.size()); out.size() < bound) out.resize(bound);
    auto size = ZSTD_compress_usingCDict(state_->packing, out.data(), out.size(), plain.data(), plain.size(),
                                         state_->from);
    if (ZSTD_isError(size) || size > plain.size() - plain.size() / 8) return std::nullopt;
    return ByteView(out).first(size);
}

std::optional<ByteView> Packer::unpack(ByteView packed, std::size_t size) {
    auto& in = state_->in;
    if (in.size() < size) in.resize(size);
    auto got = ZSTD_decompress_usingDDict(state_->unpacking, in.data(), size, packed.data(), packed.size(),
                                          state_->back);
    if (ZSTD_isError(got) || got != size) return std::nullopt;
    return ByteView(in).first(size);
}

}  // namespace kith::history

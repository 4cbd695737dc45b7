#include "app/spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/limits.h"
#include "crypto/keys.h"

namespace kith::app {
namespace {

constexpr std::size_t piece_bytes = limits::blob_piece,
                      sealed_bytes = piece_bytes + crypto::seal_numbered_overhead;

Error system_error(const char* what) {
    return {errno == ENOSPC || errno == EDQUOT ? Fault::disk_full : Fault::io,
            std::string(what) + ": " + std::strerror(errno), "free some space in the profile's folder"};
}

}  // namespace

Result<std::unique_ptr<Spool>> Spool::open(const std::filesystem::path& folder, Random& random) {
    std::string path = (folder / "spool-XXXXXX").string();
    int fd = mkostemp(path.data(), O_CLOEXEC);
    if (fd < 0) return fail(system_error("a large message cannot be taken in"));
    unlink(path.c_str());
    return std::unique_ptr<Spool>(new Spool(fd, crypto::random_secret(random)));
}

Spool::~Spool() {
    close(fd_);
}

Result<> Spool::append(ByteView bytes) {
    while (!bytes.empty()) {
        auto taken = bytes.first(std::min(piece_bytes - tail_.size(), bytes.size()));
        kith::append(tail_, taken);
        bytes = bytes.subspan(taken.size());
        size_ += taken.size();
        if (tail_.size() == piece_bytes) KITH_TRY(write_piece());
    }
    return {};
}

Result<> Spool::write_piece() {
    auto sealed = crypto::seal_numbered(key_, pieces_, tail_);
    ByteView rest(sealed);
    auto at = static_cast<off_t>(pieces_ * sealed_bytes);
    while (!rest.empty()) {
        auto written = pwrite(fd_, rest.data(), rest.size(), at);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return fail(system_error("a large message cannot be taken in"));
        rest = rest.subspan(static_cast<std::size_t>(written));
        at += written;
    }
    ++pieces_;
    tail_.clear();
    return {};
}

Result<> Spool::read(std::uint64_t offset, std::span<std::uint8_t> into) const {
    if (offset > size_ || into.size() > size_ - offset)
        return fail(Fault::corrupt, "a large message is cut off");
    while (!into.empty()) {
        auto index = offset / piece_bytes, within = offset % piece_bytes;
        if (index < pieces_ && cached_index_ != index) {
            Bytes sealed(sealed_bytes);
            auto got = pread(fd_, sealed.data(), sealed.size(), static_cast<off_t>(index * sealed_bytes));
            if (got != static_cast<ssize_t>(sealed.size()))
                return fail(system_error("a large message cannot be read back"));
            auto plain = crypto::open_numbered(key_, index, sealed);
            if (!plain) return fail(Fault::corrupt, "a large message was damaged on the disk");
            cached_ = std::move(*plain);
            cached_index_ = index;
        }
        const Bytes& piece = index < pieces_ ? cached_ : tail_;
        auto count = std::min<std::size_t>(piece.size() - within, into.size());
        std::copy_n(piece.begin() + static_cast<std::ptrdiff_t>(within), count, into.begin());
        into = into.subspan(count);
        offset += count;
    }
    return {};
}

}  // namespace kith::app

#include "app/stick_files.h"

#include <cstdio>
#include <system_error>

#include "stick/limits.h"

namespace kith::app {
namespace {

namespace fs = std::filesystem;

// The system is asked to write out so much at a time: a slow stick would otherwise have all of it left at the
// end.
constexpr std::uint64_t written_at_once = 8 * 1024 * 1024;

fs::path part_path(const fs::path& payload, std::uint32_t number) {
    char name[16];
    std::snprintf(name, sizeof name, "%04u", number);
    return payload / name;
}

Result<> io_error(const fs::path& path, const std::error_code& error) {
    return fail(error == std::errc::no_space_on_device ? Fault::disk_full : Fault::io,
                "cannot write to " + path.string() + ": " + error.message(),
                "is the stick still there, and may it be written to?");
}

// Not a pipe, which would be waited for.
bool is_file(const fs::path& path) {
    std::error_code ignored;
    return fs::is_regular_file(fs::symlink_status(path, ignored));
}

// Whether a part is there; another matter is one that cannot be looked at.
Result<bool> has_part(const fs::path& path) {
    std::error_code error;
    const auto status = fs::symlink_status(path, error);
    if (error && error != std::errc::no_such_file_or_directory)
        return fail(Fault::io, "cannot read " + path.string() + ": " + error.message(),
                    "is the stick still there, and may this user read it?");
    return fs::is_regular_file(status);
}

Result<> incomplete() {
    return fail(Fault::corrupt, "the payload on the stick ends too early: a part of it is missing",
                "run 'kith device add --to' on the other device again, which writes it anew; what came "
                "before is kept");
}

}  // namespace

fs::path stick_request_path(const fs::path& folder) {
    return folder / "kith-request";
}

fs::path stick_payload_path(const fs::path& folder) {
    return folder / "kith-payload";
}

Result<> check_stick(const fs::path& folder) {
    std::error_code ignored;
    if (fs::is_directory(folder, ignored)) return {};
    return fail(Fault::not_found, "there is no folder " + folder.string(),
                "put the stick in, and name a folder on it");
}

Result<Bytes> read_whole(const fs::path& path, std::size_t most) {
    std::error_code ignored;
    if (!fs::exists(fs::symlink_status(path, ignored)))
        return fail(Fault::not_found, "there is no " + path.string());
    if (!is_file(path)) return fail(Fault::invalid, path.string() + " is no file", "use another folder");
    KITH_TRY_VALUE(file, store::File::open(path, store::File::Mode::read));
    KITH_TRY_VALUE(size, file.size());
    if (size > most) return fail(Fault::invalid, path.string() + " is too large for what it is to be");
    Bytes bytes(static_cast<std::size_t>(size));
    KITH_TRY(file.read_at(0, bytes));
    return bytes;
}

PayloadWriter::PayloadWriter(fs::path folder)
    : folder_(std::move(folder)), fresh_(stick_payload_path(folder_).string() + ".new") {}

PayloadWriter::PayloadWriter(PayloadWriter&& other) noexcept
    : folder_(std::move(other.folder_)),
      fresh_(std::move(other.fresh_)),
      part_(std::move(other.part_)),
      parts_(other.parts_),
      size_(other.size_),
      unsynced_(other.unsynced_),
      open_(std::exchange(other.open_, false)) {}

PayloadWriter::~PayloadWriter() {
    if (!open_) return;
    part_.reset();
    std::error_code ignored;
    fs::remove_all(fresh_, ignored);
}

Result<PayloadWriter> PayloadWriter::begin(const fs::path& folder) {
    KITH_TRY(check_stick(folder));
    PayloadWriter writer(folder);
    std::error_code error;
    fs::remove_all(writer.fresh_, error);
    if (error) return fail(io_error(writer.fresh_, error).error());
    KITH_TRY(store::make_folder(writer.fresh_, store::Readers::all));
    KITH_TRY(writer.next_part());
    return writer;
}

Result<> PayloadWriter::next_part() {
    if (part_) KITH_TRY(part_->sync());
    part_.reset();
    if (parts_ == limits::stick_parts) return fail(Fault::invalid, "this is too much for one stick");
    KITH_TRY_VALUE(
        part, store::File::open(part_path(fresh_, parts_), store::File::Mode::write, store::Readers::all));
    part_.emplace(std::move(part));
    ++parts_;
    size_ = 0;
    return {};
}

Result<> PayloadWriter::append(ByteView message) {
    if (size_ > 0 && size_ + message.size() > limits::stick_part_bytes) KITH_TRY(next_part());
    KITH_TRY(part_->write_at(size_, message));
    size_ += message.size();
    unsynced_ += message.size();
    if (unsynced_ < written_at_once) return {};
    unsynced_ = 0;
    part_->begin_sync();
    return {};
}

Result<> PayloadWriter::finish() {
    KITH_TRY(part_->sync());
    part_.reset();
    KITH_TRY(store::sync_folder(fresh_));
    // A former payload goes when the new one is in its place, and not before.
    std::error_code error, ignored;
    const auto path = stick_payload_path(folder_);
    const fs::path former = path.string() + ".old";
    fs::remove_all(former, error);
    const bool replaces = !error && fs::exists(fs::symlink_status(path, ignored));
    if (replaces) fs::rename(path, former, error);
    if (!error) {
        fs::rename(fresh_, path, error);
        if (error && replaces) fs::rename(former, path, ignored);
    }
    if (error) return io_error(path, error);
    open_ = false;
    KITH_TRY(store::sync_folder(folder_));
    fs::remove_all(former, ignored);
    return {};
}

Result<PayloadReader> PayloadReader::open(const fs::path& folder) {
    KITH_TRY(check_stick(folder));
    PayloadReader reader(stick_payload_path(folder));
    std::error_code error;
    if (!fs::exists(reader.path_, error))
        return fail(Fault::not_found, "there is no " + reader.path_.string());
    for (std::uint32_t part = 0; part < limits::stick_parts; ++part) {
        KITH_TRY_VALUE(there, has_part(part_path(reader.path_, part)));
        if (!there) break;
        const auto size = fs::file_size(part_path(reader.path_, part), error);
        if (!error) reader.bytes_ += size;
    }
    return reader;
}

Result<> PayloadReader::next_part() {
    const auto path = part_path(path_, parts_);
    if (parts_ == limits::stick_parts) return incomplete();
    KITH_TRY_VALUE(there, has_part(path));
    if (!there) return incomplete();
    KITH_TRY_VALUE(part, store::File::open(path, store::File::Mode::read));
    KITH_TRY_VALUE(size, part.size());
    part_.reset();
    part_.emplace(std::move(part));
    ++parts_;
    size_ = size;
    at_ = 0;
    return {};
}

Result<Bytes> PayloadReader::read(std::size_t size) {
    while (!part_ || (at_ == size_ && size > 0)) KITH_TRY(next_part());
    if (size > size_ - at_) return fail(incomplete().error());
    Bytes bytes(size);
    KITH_TRY(part_->read_at(at_, bytes));
    at_ += size;
    read_ += size;
    return bytes;
}

}  // namespace kith::app

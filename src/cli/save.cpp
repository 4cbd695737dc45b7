#include "cli/save.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cli/conversation.h"
#include "cli/text.h"
#include "control/base64.h"

namespace kith::cli {
namespace {

namespace fs = std::filesystem;

// More files of one name than this in a folder is somebody's joke.
constexpr int most_of_a_name = 1000;
// With " (1000)" and an extension still a legal name, at four bytes a character.
constexpr std::size_t name_characters = 56;

Error cannot_write(const fs::path& path, int error) {
    bool full = error == ENOSPC || error == EDQUOT;
    return {full ? Fault::disk_full : Fault::io,
            "the file cannot be written: " + std::string(std::strerror(error)),
            full ? "make room and try again" : "check " + path.parent_path().string()};
}

Result<> write_all(int fd, ByteView bytes, const fs::path& path) {
    while (!bytes.empty()) {
        ssize_t put = write(fd, bytes.data(), bytes.size());
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return fail(cannot_write(path, errno));
        bytes = bytes.subspan(static_cast<std::size_t>(put));
    }
    return {};
}

}  // namespace

Result<> fetch_bytes(const Context& context, const std::string& id, std::optional<std::size_t> attachment,
                     const std::function<Result<>(ByteView)>& take) {
    std::uint64_t offset = 0, size = 0;
    do {
        Json args{{"id", id}, {"raw", true}, {"offset", offset}};
        if (attachment) args["attachment"] = *attachment;
        KITH_TRY_VALUE(reply, call(context, {"history.show", std::move(args), {}}));
        auto text = reply.is_object() ? reply.find("raw") : reply.end();
        std::optional<Bytes> piece;
        if (text != reply.end() && text->is_string())
            piece = control::from_base64(text->get_ref<const std::string&>());
        if (!reply.is_object() || !reply.contains("raw_size") || !reply["raw_size"].is_number_unsigned() ||
            !piece)
            return fail(Fault::protocol, "the daemon's answer holds no bytes",
                        "stop the daemon (kith stop) and try again");
        size = reply["raw_size"].get<std::uint64_t>();
        if (piece->empty() && offset < size)
            return fail(Fault::corrupt, "the bytes end too early", "see kith history digest");
        KITH_TRY(take(*piece));
        offset += piece->size();
    } while (offset < size);
    return {};
}

std::string safe_file_name(std::string_view wanted, std::size_t number) {
    wanted = wanted.substr(wanted.find_last_of("/\\") + 1);
    std::string name = clean(wanted);
    name.erase(0, std::min(name.find_first_not_of(". "), name.size()));
    if (name.empty()) return "attachment-" + std::to_string(number + 1);
    if (width(name) <= name_characters) return name;
    // The extension says what it is: keep a short one.
    std::string extension = fs::path(name).extension().string();
    if (width(extension) > 8) extension.clear();
    return cut(name, name_characters - width(extension)) + extension;
}

Result<fs::path> save_attachment(const Context& context, const std::string& id, std::size_t number,
                                 std::string_view wanted, const fs::path& folder) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error)
        return fail(Fault::io, "the folder cannot be made: " + error.message(), "check " + folder.string());
    fs::path name = safe_file_name(wanted, number), path = folder / name;
    int fd = -1;
    for (int copy = 2; copy <= most_of_a_name; ++copy) {
        fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0 || errno != EEXIST) break;
        path =
            folder / (name.stem().string() + " (" + std::to_string(copy) + ")" + name.extension().string());
    }
    if (fd < 0) return fail(cannot_write(path, errno));
    auto written =
        fetch_bytes(context, id, number, [&](ByteView bytes) { return write_all(fd, bytes, path); });
    if (close(fd) != 0 && written) written = fail(cannot_write(path, errno));
    if (!written) {
        unlink(path.c_str());
        return fail(std::move(written).error());
    }
    return path;
}

Result<> save_text(const fs::path& path, std::string_view text) {
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return fail(cannot_write(path, errno));
    auto written = write_all(fd, as_bytes(text), path);
    if (close(fd) != 0 && written) written = fail(cannot_write(path, errno));
    if (!written) unlink(path.c_str());
    return written;
}

}  // namespace kith::cli

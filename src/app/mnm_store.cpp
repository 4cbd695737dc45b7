#include "app/mnm_store.h"

#include <algorithm>

#include "base/limits.h"
#include "mnm/limits.h"
#include "mnm/names.h"
#include "tmtp/frame.h"

namespace kith::app {
namespace fs = std::filesystem;
namespace {

bool is_account(const fs::path& path) {
    std::error_code ignored;
    return fs::is_regular_file(path / "config", ignored) && fs::is_directory(path / "thread", ignored);
}

Result<std::string> read_text(const MailFile& file, std::uint64_t offset, std::size_t size) {
    std::string text(size, '\0');
    KITH_TRY_VALUE(got, file.read(offset, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()}));
    if (got < size) return fail(Fault::corrupt, "it became shorter while it was read");
    return text;
}

}  // namespace

std::vector<fs::path> mnm_accounts(const fs::path& path) {
    if (is_account(path)) return {path};
    std::vector<fs::path> found;
    for (const auto& folder : {path / "svc", path / "store" / "svc"}) {
        std::error_code error;
        for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
            if (found.size() < limits::mnm_accounts && !at->is_symlink() && is_account(at->path()))
                found.push_back(at->path());
        }
        if (!found.empty()) break;
    }
    std::sort(found.begin(), found.end());
    return found;
}

Result<std::string> read_small(const fs::path& path, std::size_t max) {
    std::error_code error;
    if (!fs::exists(path, error)) return std::string();
    KITH_TRY_VALUE(file, MailFile::open(path));
    if (file.size() > max) return fail(Fault::corrupt, "it is too large");
    return read_text(file, 0, static_cast<std::size_t>(file.size()));
}

Result<MnmThread> open_thread(const fs::path& path) {
    KITH_TRY_VALUE(file, MailFile::open(path));
    if (file.size() < mnm::tail_bytes) return fail(Fault::corrupt, "its end is missing");
    const auto end = file.size() - mnm::tail_bytes;
    KITH_TRY_VALUE(last, read_text(file, end, mnm::tail_bytes));
    auto tail = mnm::read_tail(last);
    if (!tail || tail->index > end || tail->cc > end - tail->index)
        return fail(Fault::corrupt, "its end is damaged");
    if (std::max(tail->index, tail->cc) > limits::mnm_index_bytes)
        return fail(Fault::corrupt,
                    "its index is larger than " + std::to_string(limits::mnm_index_bytes >> 20) + " MiB");
    const auto messages = end - tail->index - tail->cc;
    KITH_TRY_VALUE(index, read_text(file, messages, static_cast<std::size_t>(tail->index)));
    KITH_TRY_VALUE(cc, read_text(file, messages + tail->index, static_cast<std::size_t>(tail->cc)));
    KITH_TRY_VALUE(entries, mnm::read_index(index, messages));
    // Who reads along is told with the thread's first message; without it the messages are whole all the
    // same.
    auto copies = mnm::read_cc(cc).value_or(std::vector<tmtp::Copy>());
    return MnmThread{path.filename().string(), path, std::move(file), std::move(entries), std::move(copies)};
}

Result<MnmMessage> read_message(const MnmThread& thread, const mnm::Entry& entry) {
    Bytes window(limits::import_window);
    std::uint32_t sum = 0;
    for (std::uint64_t done = 0; done < entry.size - 1;) {
        auto part = std::span(window).first(std::min<std::uint64_t>(window.size(), entry.size - 1 - done));
        KITH_TRY_VALUE(got, thread.file.read(entry.offset + done, part));
        if (got < part.size()) return fail(Fault::corrupt, "it became shorter while it was read");
        sum = tmtp::crc32c(part, sum);
        done += part.size();
    }
    if (sum != entry.checksum) return fail(Fault::corrupt, "its checksum does not fit");

    KITH_TRY_VALUE(digits, read_text(thread.file, entry.offset, 4));
    auto length = from_hex(digits);
    if (!length) return fail(Fault::corrupt, "its header is damaged");
    const std::uint64_t head_size = static_cast<std::uint64_t>((*length)[0] << 8 | (*length)[1]);
    if (head_size + 6 > entry.size) return fail(Fault::corrupt, "its header is damaged");
    KITH_TRY_VALUE(json, read_text(thread.file, entry.offset + 4, static_cast<std::size_t>(head_size)));
    KITH_TRY_VALUE(head, mnm::read_message_head(json));
    if (head.id != entry.id || head.body != entry.size - head_size - 6)
        return fail(Fault::corrupt, "its header does not fit the index");
    return MnmMessage{std::move(head), entry.offset + 4 + head_size + 1};
}

Result<MnmAttachments::Content> MnmAttachments::find(const std::string& thread, const std::string& msgid,
                                                     const mnm::Attached& attached) {
    if (!attached.is_form()) {
        auto path = account_ / "attach" / thread / (msgid + "_" + mnm::escape(attached.name));
        std::error_code error;
        // A link could lead to any file of this person's.
        if (!fs::is_regular_file(fs::symlink_status(path, error)))
            return fail(Fault::not_found, "its file is missing");
        KITH_TRY_VALUE(file, MailFile::open(path));
        if (file.size() != attached.size) return fail(Fault::corrupt, "its file has another size");
        return Content{std::move(path), {}, attached.size};
    }
    for (const auto* suffix : {"_recv", "_sent"}) {
        const auto name = mnm::escape(attached.ffn + suffix);
        if (name != table_name_) {
            auto text = read_small(account_ / "form" / name, limits::mnm_form_bytes);
            table_.emplace(text ? std::move(*text) : std::string());
            table_name_ = name;
        }
        auto content = table_->filled(msgid, attached.name);
        if (content && content->size() == attached.size)
            return Content{{}, std::move(*content), attached.size};
    }
    return fail(Fault::not_found, "the filled form is missing or damaged");
}

}  // namespace kith::app

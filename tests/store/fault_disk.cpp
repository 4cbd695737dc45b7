#include "store/fault_disk.h"

#include <algorithm>
#include <cstdlib>

namespace kith::store::test {
namespace {

constexpr std::uint64_t sector = 512;

void put(Bytes& into, std::uint64_t at, ByteView bytes) {
    if (into.size() < at + bytes.size()) into.resize(at + bytes.size());
    std::copy(bytes.begin(), bytes.end(), into.begin() + static_cast<std::ptrdiff_t>(at));
}

bool is_within(const std::string& path, const std::string& folder) {
    return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

}  // namespace

FaultDisk::FaultDisk(std::uint64_t seed, const Image& image) : random_(seed) {
    for (const auto& [path, content] : image) {
        auto file = std::make_shared<File>();
        file->folder_ = content.first;
        file->now_ = file->certain_ = content.second;
        names_[path] = {file, {file}};
    }
}

FaultDisk::Image FaultDisk::image() const {
    Image image;
    each([&](const std::string& path, const File& file) { image[path] = {file.folder_, file.now_}; });
    return image;
}

void FaultDisk::plan(Trouble trouble, std::uint64_t before, std::uint64_t count) {
    if (off_) return;
    planned_ = trouble;
    turns_before_ = before;
    left_ = count;
    met_ = false;
}

FaultDisk::Trouble FaultDisk::step(bool is_write) {
    static const std::uint64_t writes_a_turn = std::getenv("KITH_EACH") ? 1 : 6;
    ++operations_;
    const bool begins_turn = !is_write || writes_in_a_row_ % writes_a_turn == 0;
    writes_in_a_row_ = is_write ? writes_in_a_row_ + 1 : 0;
    if (off_) return planned_;
    if (planned_ == Trouble::none || left_ == 0) return Trouble::none;
    if (!met_) {
        if (!begins_turn) return Trouble::none;
        if (turns_before_ > 0) {
            --turns_before_;
            return Trouble::none;
        }
    }
    --left_;
    met_ = true;
    off_ = planned_ == Trouble::power_cut || planned_ == Trouble::killed;
    off_since_ = operations_;
    return planned_;
}

void FaultDisk::restart() {
    const bool keeps_all = planned_ == Trouble::killed;
    off_ = false;
    planned_ = Trouble::none;
    if (keeps_all) return;
    // From a disk that had written nothing yet to one that was about to end.
    const auto share = any_share();
    std::map<std::string, Name> names;
    std::vector<std::string> lost;
    for (auto& [path, name] : names_) {
        const auto file = name.possible[below(name.possible.size())];
        // With a folder goes what is in it.
        const auto is_lost = [&, &at = path](const std::string& folder) { return is_within(at, folder); };
        if (!file || std::any_of(lost.begin(), lost.end(), is_lost)) {
            lost.push_back(path);
            continue;
        }
        settle(*file, share);
        file->now_ = file->certain_;
        names[path] = {file, {file}};
    }
    names_ = std::move(names);
}

double FaultDisk::any_share() {
    constexpr double shares[] = {0, 0.1, 0.5, 0.9, 1};
    return shares[below(std::size(shares))];
}

void FaultDisk::settle(File& file, double share) {
    for (const auto& change : file.unsynced_) {
        if (change.resized) {
            if (chance(share)) file.certain_.resize(change.at);
            continue;
        }
        const ByteView bytes = change.bytes;
        for (std::uint64_t done = 0; done < bytes.size();) {
            const auto size = std::min(sector - (change.at + done) % sector, bytes.size() - done);
            if (chance(share)) {
                const auto kept = share < 1 && chance(0.1) ? below(size + 1) : size;
                if (kept > 0) put(file.certain_, change.at + done, bytes.subspan(done, kept));
            }
            done += size;
        }
    }
    file.unsynced_.clear();
}

FaultDisk::Trouble FaultDisk::open(const std::string& path, bool make, FilePtr& file) {
    const auto trouble = step();
    file = find(path);
    // The operation that the power cut falls into may have had its effect.
    if (!file && make && takes_effect(trouble)) {
        file = std::make_shared<File>();
        set_name(path, file);
    }
    return trouble;
}

FaultDisk::Trouble FaultDisk::make_folder(const std::string& path) {
    const auto trouble = step();
    if (takes_effect(trouble)) {
        auto file = std::make_shared<File>();
        file->folder_ = true;
        set_name(path, file);
    }
    return trouble;
}

FaultDisk::Trouble FaultDisk::remove(const std::string& path) {
    const auto trouble = step();
    if (takes_effect(trouble)) set_name(path, nullptr);
    return trouble;
}

FaultDisk::Trouble FaultDisk::write(File& file, std::uint64_t at, ByteView bytes, std::size_t& written) {
    const auto trouble = step(true);
    if (trouble == Trouble::error || trouble == Trouble::full)
        written = below(bytes.size());
    else
        written = takes_effect(trouble) ? bytes.size() : 0;
    if (written > 0) {
        put(file.now_, at, bytes.first(written));
        file.unsynced_.push_back({false, at, to_bytes(bytes.first(written))});
    }
    return trouble;
}

FaultDisk::Trouble FaultDisk::resize(File& file, std::uint64_t size) {
    const auto trouble = step();
    if (takes_effect(trouble)) {
        file.now_.resize(size);
        file.unsynced_.push_back({true, size, {}});
    }
    return trouble;
}

FaultDisk::Trouble FaultDisk::sync(File& file) {
    const auto trouble = step();
    if (trouble == Trouble::none) {
        settle(file, 1);
    } else if (!off_) {
        settle(file, any_share());
    }
    return trouble;
}

FaultDisk::Trouble FaultDisk::sync_names(const std::string& folder) {
    const auto trouble = step();
    if (trouble == Trouble::none) make_names_certain(folder);
    return trouble;
}

void FaultDisk::make_names_certain(const std::string& folder) {
    for (auto at = names_.begin(); at != names_.end();) {
        auto& [path, name] = *at;
        if (is_within(path, folder) && path.find('/', folder.size() + 1) == std::string::npos)
            name.possible = {name.now};
        at = name.now || name.possible.size() > 1 ? std::next(at) : names_.erase(at);
    }
}

FaultDisk::Trouble FaultDisk::other() {
    return step();
}

FaultDisk::FilePtr FaultDisk::find(const std::string& path) const {
    const auto at = names_.find(path);
    return at == names_.end() ? nullptr : at->second.now;
}

void FaultDisk::forget(const std::string& path) {
    set_name(path, nullptr);
}

void FaultDisk::set_name(const std::string& path, FilePtr file) {
    auto& name = names_[path];
    if (name.possible.empty()) name.possible.push_back(nullptr);  // was never there for certain
    name.now = file;
    name.possible.push_back(std::move(file));
}

void FaultDisk::each(const std::function<void(const std::string&, const File&)>& fn) const {
    for (const auto& [path, name] : names_)
        if (name.now) fn(path, *name.now);
}

}  // namespace kith::store::test

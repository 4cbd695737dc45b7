#include "store/fault_vfs.h"

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

namespace kith::store::test {
namespace {

using Trouble = FaultDisk::Trouble;

constexpr const char* vfs_name = "fault";
constexpr const char* cipher_name = "multipleciphers-fault";

FaultDisk* disk = nullptr;
int last_errno = 0;

// SQLite's answer, `code` for all trouble but a full disk.
int answer(Trouble trouble, int code, int code_when_full) {
    if (trouble == Trouble::none) return SQLITE_OK;
    last_errno = trouble == Trouble::full ? ENOSPC : EIO;
    return trouble == Trouble::full ? code_when_full : code;
}
int answer(Trouble trouble, int code) {
    return answer(trouble, code, code);
}

std::string folder_of(const std::string& path) {
    return path.substr(0, path.rfind('/'));
}

// What SQLite holds of an open file; made and ended in the memory that it provides.
struct OpenFile {
    sqlite3_file base;  // must be first
    struct State {
        FaultDisk::FilePtr file;
        std::string path;
        bool sync_name = false;
        bool remove_at_end = false;
        std::vector<std::unique_ptr<std::uint64_t[]>> index;  // of the write-ahead log
    };
    State* state;
};

OpenFile::State& state_of(sqlite3_file* file) {
    return *reinterpret_cast<OpenFile*>(file)->state;
}

int close_file(sqlite3_file* file) {
    const std::unique_ptr<OpenFile::State> state(&state_of(file));
    if (state->remove_at_end) (void)disk->remove(state->path);
    return SQLITE_OK;
}

int read_file(sqlite3_file* file, void* into, int size, sqlite3_int64 offset) {
    if (disk->off()) return answer(Trouble::power_cut, SQLITE_IOERR_READ);
    const auto& bytes = state_of(file).file->bytes();
    const auto start = std::min(static_cast<std::size_t>(offset), bytes.size());
    const auto count = std::min(static_cast<std::size_t>(size), bytes.size() - start);
    if (count > 0) std::memcpy(into, bytes.data() + start, count);
    if (count == static_cast<std::size_t>(size)) return SQLITE_OK;
    std::memset(static_cast<char*>(into) + count, 0, static_cast<std::size_t>(size) - count);
    return SQLITE_IOERR_SHORT_READ;
}

int write_file(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
    const ByteView bytes(static_cast<const std::uint8_t*>(from), static_cast<std::size_t>(size));
    std::size_t written = 0;
    return answer(disk->write(*state_of(file).file, static_cast<std::uint64_t>(offset), bytes, written),
                  SQLITE_IOERR_WRITE, SQLITE_FULL);
}

int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
    return answer(disk->resize(*state_of(file).file, static_cast<std::uint64_t>(size)),
                  SQLITE_IOERR_TRUNCATE);
}

int sync_file(sqlite3_file* file, int) {
    auto& state = state_of(file);
    const auto trouble = disk->sync(*state.file);
    // As SQLite does it on Unix: once, and whether it succeeds or not.
    if (trouble == Trouble::none && state.sync_name) {
        (void)disk->sync_names(folder_of(state.path));
        state.sync_name = false;
    }
    return answer(trouble, SQLITE_IOERR_FSYNC);
}

int file_size(sqlite3_file* file, sqlite3_int64* size) {
    *size = static_cast<sqlite3_int64>(state_of(file).file->bytes().size());
    return SQLITE_OK;
}

// One connection: nobody to be locked out.
int lock(sqlite3_file*, int) {
    return SQLITE_OK;
}
int check_reserved_lock(sqlite3_file*, int* result) {
    *result = 0;
    return SQLITE_OK;
}
int shm_lock(sqlite3_file*, int, int, int) {
    return SQLITE_OK;
}
void shm_barrier(sqlite3_file*) {}

int shm_map(sqlite3_file* file, int region, int size, int extend, void volatile** memory) {
    auto& index = state_of(file).index;
    *memory = nullptr;
    while (index.size() <= static_cast<std::size_t>(region)) {
        if (!extend) return SQLITE_OK;
        if (auto trouble = disk->other(); trouble != Trouble::none)
            return answer(trouble, SQLITE_IOERR_SHMSIZE);
        index.push_back(std::make_unique<std::uint64_t[]>(static_cast<std::size_t>(size) / 8));
    }
    *memory = index[static_cast<std::size_t>(region)].get();
    return SQLITE_OK;
}

int shm_unmap(sqlite3_file* file, int) {
    state_of(file).index.clear();
    return SQLITE_OK;
}

int file_control(sqlite3_file*, int, void*) {
    return SQLITE_NOTFOUND;
}
int sector_size(sqlite3_file*) {
    return 4096;
}
int device_characteristics(sqlite3_file*) {
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

const sqlite3_io_methods file_methods{2,
                                      close_file,
                                      read_file,
                                      write_file,
                                      truncate_file,
                                      sync_file,
                                      file_size,
                                      lock,
                                      lock,
                                      check_reserved_lock,
                                      file_control,
                                      sector_size,
                                      device_characteristics,
                                      shm_map,
                                      shm_lock,
                                      shm_barrier,
                                      shm_unmap,
                                      nullptr,
                                      nullptr};

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    file->pMethods = nullptr;
    // Temporary files are kept in memory: one on the disk would be in clear.
    if (!name) return answer(Trouble::error, SQLITE_CANTOPEN);
    auto state = std::make_unique<OpenFile::State>();
    state->path = name;
    if (auto trouble = disk->open(state->path, (flags & SQLITE_OPEN_CREATE) != 0, state->file);
        trouble != Trouble::none)
        return answer(trouble, SQLITE_CANTOPEN);
    if (!state->file) {
        last_errno = ENOENT;
        return SQLITE_CANTOPEN;
    }
    state->sync_name =
        (flags & SQLITE_OPEN_CREATE) != 0 &&
        (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL)) != 0;
    state->remove_at_end = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    if (out_flags) *out_flags = flags;
    reinterpret_cast<OpenFile*>(file)->state = state.release();
    file->pMethods = &file_methods;
    return SQLITE_OK;
}

int delete_file(sqlite3_vfs*, const char* name, int sync_folder) {
    if (!disk->find(name)) return SQLITE_IOERR_DELETE_NOENT;
    if (auto trouble = disk->remove(name); trouble != Trouble::none)
        return answer(trouble, SQLITE_IOERR_DELETE);
    if (!sync_folder) return SQLITE_OK;
    return answer(disk->sync_names(folder_of(name)), SQLITE_IOERR_DIR_FSYNC);
}

int access_file(sqlite3_vfs*, const char* name, int flags, int* result) {
    const auto file = disk->find(name);
    *result = file && (flags != SQLITE_ACCESS_EXISTS || !file->bytes().empty());
    return SQLITE_OK;
}

int full_path(sqlite3_vfs*, const char* name, int size, char* out) {
    if (std::strlen(name) >= static_cast<std::size_t>(size)) return SQLITE_CANTOPEN;
    std::strcpy(out, name);
    return SQLITE_OK;
}

int get_last_error(sqlite3_vfs*, int, char*) {
    return last_errno;
}

}  // namespace

FaultVfs::FaultVfs(FaultDisk& on) {
    REQUIRE(sqlite3_initialize() == SQLITE_OK);
    REQUIRE(disk == nullptr);
    disk = &on;
    static sqlite3_vfs vfs = [] {
        // Clocks and randomness are the system's.
        sqlite3_vfs made = *sqlite3_vfs_find("unix");
        made.iVersion = 2;
        made.szOsFile = sizeof(OpenFile);
        made.pNext = nullptr;
        made.zName = vfs_name;
        made.xOpen = open_file;
        made.xDelete = delete_file;
        made.xAccess = access_file;
        made.xFullPathname = full_path;
        made.xGetLastError = get_last_error;
        return made;
    }();
    if (!sqlite3_vfs_find(vfs_name)) {
        REQUIRE(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK);
        REQUIRE(sqlite3mc_vfs_create(vfs_name, 0) == SQLITE_OK);
    }
    sqlite3_vfs_register(sqlite3_vfs_find(cipher_name), 1);
}

FaultVfs::~FaultVfs() {
    sqlite3_vfs_register(sqlite3_vfs_find("multipleciphers-unix"), 1);
    disk = nullptr;
}

}  // namespace kith::store::test

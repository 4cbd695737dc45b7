#include "service_files.h"

#include <sys/stat.h>

#include "store/file.h"

namespace kith::tmtpd {
namespace {

// The database's key stands beside it: it guards a copy of the database alone, not the folder.
Result<Key> database_key(const std::filesystem::path& file) {
    if (std::filesystem::exists(file)) {
        Key key;
        KITH_TRY_VALUE(in, store::File::open(file, store::File::Mode::read));
        KITH_TRY(in.read_at(0, key.fill()));
        return key;
    }
    crypto::SystemRandom random;
    Key key = crypto::random_secret(random);
    KITH_TRY(store::replace_file(file, key.view()));
    return key;
}

}  // namespace

Result<net::FileLock> lock_folder(const std::filesystem::path& dir) {
    auto lock = net::FileLock::take((dir / "lock").string());
    if (lock || lock.error().kind != Fault::refused) return lock;
    return fail(Fault::refused, "a tmtpd runs on " + dir.string() + " already: " + lock.error().what,
                "stop that one first, or give another folder with --dir");
}

Result<std::unique_ptr<SqlStore>> open_store(const std::filesystem::path& dir) {
    KITH_TRY_VALUE(key, database_key(dir / "tmtpd.key"));
    return SqlStore::open(dir / "tmtpd.db", key);
}

Result<net::TlsIdentity> tls_identity(const Config& config) {
    if (!config.certificate.empty()) {
        auto given = net::load_tls_identity(config.certificate, config.certificate_key);
        if (!given && given.error().hint.empty())
            return fail(given.error().kind, given.error().what, "check certificate and certificate-key");
        return given;
    }
    const std::string file = std::filesystem::path(config.dir) / "tls.pem";
    auto held = net::load_tls_identity(file);
    if (held || held.error().kind != Fault::not_found) return held;
    KITH_TRY_VALUE(made, net::make_tls_identity(config.name.substr(0, 64)));
    KITH_TRY(net::save_tls_identity(made, file));
    return made;
}

std::string tls_files_state(const Config& config) {
    std::string state;
    for (const auto* path : {&config.certificate, &config.certificate_key, &config.client_authorities}) {
        struct stat info {};
        if (path->empty()) continue;
        if (::stat(path->c_str(), &info) != 0) {
            state += "- ";
            continue;
        }
        state += std::to_string(info.st_ino) + '/' + std::to_string(info.st_size) + '/' +
                 std::to_string(info.st_mtim.tv_sec) + '.' + std::to_string(info.st_mtim.tv_nsec) + ' ';
    }
    return state;
}

}  // namespace kith::tmtpd

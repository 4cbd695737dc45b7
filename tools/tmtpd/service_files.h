// The files of a service's folder.
#pragma once

#include "config.h"
#include "net/file_lock.h"
#include "net/tls.h"
#include "sql_store.h"

namespace kith::tmtpd {

// One tmtpd at a time. Fault::refused: another one runs there.
Result<net::FileLock> lock_folder(const std::filesystem::path& dir);

// The database with its key, both made when they are not there. Whoever opens it holds the folder's lock.
Result<std::unique_ptr<SqlStore>> open_store(const std::filesystem::path& dir);

// The certificate that the operator gave, or the service's own, made when it is not there.
Result<net::TlsIdentity> tls_identity(const Config& config);

// The files that hold a given certificate, its key and the authorities: when one of them changes, what this
// returns does. Empty: there are none.
std::string tls_files_state(const Config& config);

}  // namespace kith::tmtpd

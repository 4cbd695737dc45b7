// The daemon as seen from the command line: is it there, start it, see it end.
#pragma once

#include <sys/types.h>

#include <filesystem>

#include "base/result.h"
#include "net/local_socket.h"

namespace kith::cli {

// Connects to the daemon of the profile in `home`; Fault::not_found when none runs.
Result<net::LocalCaller> find_daemon(const std::filesystem::path& home);

// The same; when none runs, makes `home` (mode 0700) and starts `kithd`, found beside this program or in
// PATH, in the background: a session of its own, no descriptor of ours, its output appended to HOME/kithd.log
// (mode 0600). Waits until it answers, at most limits::daemon_start_ms; when it does not, the error holds the
// log's last line.
Result<net::LocalCaller> find_or_start_daemon(const std::filesystem::path& home);

// The process at the other end of a connection; 0 when it cannot be told.
pid_t process_of(const net::LocalCaller& caller);
// Waits until the process has ended; false after limits::daemon_stop_ms.
bool wait_for_end(pid_t process);

}  // namespace kith::cli

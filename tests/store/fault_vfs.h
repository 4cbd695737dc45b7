// A SQLite VFS whose files are on a FaultDisk.
//
// It behaves as SQLite's own for Unix where that matters: it syncs the folder with the first sync of a new
// journal or log, promises no more than that a write leaves the bytes around it alone, and forgets the index
// of the log with the connection. SQLite's cipher sits on top of it as on the real one.
#pragma once

#include "store/fault_disk.h"

namespace kith::store::test {

// While this lives, databases that are opened by default are on `disk`, which must outlive them. One at a
// time, and one connection to each database.
class FaultVfs {
  public:
    explicit FaultVfs(FaultDisk& disk);
    ~FaultVfs();
    FaultVfs(const FaultVfs&) = delete;
    FaultVfs& operator=(const FaultVfs&) = delete;
};

}  // namespace kith::store::test

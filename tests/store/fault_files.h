// The system calls that files of src/store/file.h are written with, carried to a FaultDisk too.
//
// The program that includes this is linked with --wrap for open, close, pwrite, fsync and mkdir
// (CMakeLists.txt). Reading is from the real files, which hold what was written whether or not it is certain;
// after a power cut restart() makes them what the disk kept.
#pragma once

#include <filesystem>

#include "store/fault_disk.h"

namespace kith::store::test {

// While this lives, files under `folder` are on `disk`: a database's by name only, since SQLite gets to them
// through a FaultVfs. One at a time.
class FaultFiles {
  public:
    FaultFiles(FaultDisk& disk, std::filesystem::path folder);
    ~FaultFiles();
    FaultFiles(const FaultFiles&) = delete;
    FaultFiles& operator=(const FaultFiles&) = delete;

    // Tells the disk of files that were removed: it hears of that only now, and when the next one is opened.
    void notice_removals();
    // Gives the disk its power back. No file may be open.
    void restart();

  private:
    void lay_out();
    FaultDisk& disk_;
};

}  // namespace kith::store::test

#!/usr/bin/env python3
"""tools/check_includes finds each kind of wrong include, and accepts the right ones."""
import pathlib
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).parent.parent

# file, line, whether it may stand there
CASES = [
    ("src/wire/a.h", '#include "base/bytes.h"', True),
    ("src/wire/a.h", '#include "wire/frame.h"', True),
    ("src/base/a.cpp", '#include "wire/frame.h"', False),
    ("src/pairing/a.cpp", '#include "roster/entry.h"', False),
    ("src/history/a.h", '  #  include "store/db.h"', False),
    ("src/net/a.cpp", '#include "store/db.h"', False),
    ("src/store/a.cpp", '#include "history/record.h"', True),
    ("src/app/a.cpp", '#include "net/loop.h"', True),
    ("src/cli/a.cpp", '#include "app/profile.h"', True),
    ("src/unknown/a.cpp", '#include "base/bytes.h"', False),
    ("src/crypto/a.cpp", "#include <sodium.h>", True),
    ("src/pairing/a.cpp", "#include <sodium.h>", False),
    ("src/net/a.cpp", "#include <zmq.hpp>", True),
    ("src/app/a.cpp", "#include <zmq.h>", False),
    ("src/tmtp/a.cpp", "#include <openssl/ssl.h>", False),
    ("src/store/a.cpp", '#include "sqlite3.h"', True),
    ("src/app/a.cpp", '#include "sqlite3.h"', False),
    ("src/history/a.cpp", "#include <chrono>", True),
    ("src/history/a.cpp", "#include <fstream>", False),
    ("src/roster/a.cpp", "auto now = std::chrono::system_clock::now();", False),
    ("src/net/a.cpp", "#include <sys/socket.h>", True),
    ("tools/tmtpd/a.cpp", '#include "tmtp/server.h"', True),
    ("tools/tmtpd/a.cpp", '#include "app/profile.h"', False),
    ("include/kith/a.h", "#include <tl/expected.hpp>", True),
    ("include/kith/a.h", "#include <string>", True),
    ("include/kith/a.h", '#include "kith/b.h"', True),
    ("include/kith/a.h", "#include <nlohmann/json.hpp>", False),
    ("include/kith/a.h", '#include "base/bytes.h"', False),
]

failed = False
for path, line, allowed in CASES:
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in (("src/README.md", (SOURCE / "src/README.md").read_text()), (path, line + "\n")):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        run = subprocess.run([SOURCE / "tools/check_includes", root], capture_output=True, text=True)
        if (run.returncode == 0) != allowed:
            failed = True
            print(f"{path}: {line}: {'refused' if allowed else 'accepted'}\n{run.stdout}{run.stderr}")
sys.exit(failed)

# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a command and writes down what it took: launch.py RESULT COMMAND...

It is small, as the kernel counts the memory of who starts a process as the process's own.
"""

import json
import os
import sys
import time


def main() -> int:
    """Run the command; its exit code."""
    begin = time.monotonic()
    pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
    _pid, status, used = os.wait4(pid, 0)
    seconds = time.monotonic() - begin
    cpu = used.ru_utime + used.ru_stime
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump({"seconds": seconds, "cpu": cpu, "peak": used.ru_maxrss << 10}, file)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())

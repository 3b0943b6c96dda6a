# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `make` calls: tries the collection out. All it makes is below .build/ in the checkout.

dev.py check       format, lint, types, and unit tests on one Python
dev.py test        everything, on every Python found
dev.py test-matrix the same, with every ansible-core found whole (half an hour)
dev.py docs        make the documentation site, .build/docs/index.html
dev.py release 1.2.3  make a release, up to the upload: docs/releasing.md
dev.py demo        run demo/run.py where Ansible, the collection and a registry are
dev.py soak ...    run tests/soak/soak.py there; --help tells its options
dev.py bench ...   run benchmarks/bench.py there, with skopeo too; --help tells its options
dev.py bench-faults ...  the same with benchmarks/faults.py
dev.py run CMD...  any other command there, with skopeo too: python -m pytest tests/unit -k tags
"""

from __future__ import annotations

import fcntl
import os
import sys
from typing import TextIO

from plan import Plan, left_out
from pythons import find_pythons
from release import made_already, read_state, refusals
from stages import Runner, Stage
from workspace import BUILD, LOGS, ROOT, prepare

COMMANDS = (
    "check",
    "test",
    "test-matrix",
    "docs",
    "release",
    "demo",
    "bench",
    "bench-faults",
    "soak",
    "run",
)
SCRIPTS = {
    "demo": ("python", str(ROOT / "demo" / "run.py")),
    "bench": ("python", str(ROOT / "benchmarks" / "bench.py")),
    "soak": ("python", str(ROOT / "tests" / "soak" / "soak.py")),
    "bench-faults": ("python", str(ROOT / "benchmarks" / "faults.py")),
}
#: what `make test` says of what it leaves out
WHOLE = (
    "sanity and most system tests with older versions of ansible-core, unit tests of the engine "
    "on Pythons between the oldest and the newest: make test-matrix"
)


def main(words: list[str]) -> int:
    """Do what the command line says."""
    if not words or words[0] not in COMMANDS or words == ["run"]:
        print(__doc__, file=sys.stderr)
        return 2
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "lock").open("w") as lock:
        wait_for_turn(lock)
        pythons = find_pythons()
        for python in pythons if words[0] != "demo" else []:
            use = f"ansible-core {python.core}" if python.core else "as a target"
            print(f"Python {python.version:<5} {use:<18} {python.path}")
        print(flush=True)
        plan = Plan(pythons)
        prepare(pythons)
        asked = stages_of(plan, words[0])
        if asked:
            return 0 if run_stages(*asked) else 1
        if words[0] == "release":
            return release(plan, (words[1:] or [""])[0])
        stages = plan.demo() if words[0] == "demo" else plan.run()
        if not run_stages(stages, [], summary=False):
            return 1
    command = [*SCRIPTS.get(words[0], ()), *words[1:]]
    environment = plan.newest.variables()
    if words[0] == "demo" and "NO_COLOR" not in os.environ:
        del environment["NO_COLOR"]
    sys.stdout.flush()
    try:
        # In place of this process, so that Ctrl-C is for the command alone to answer.
        os.execvpe(command[0], command, environment)
    except OSError as error:
        print(f"Cannot start {command[0]}: {error.strerror}", file=sys.stderr)
        return 1


def stages_of(plan: Plan, command: str) -> tuple[list[Stage], list[str]] | None:
    """Return what a command runs and leaves out; None for those that do more than that."""
    if command == "check":
        return plan.check(), []
    if command == "docs":
        return plan.docs(), []
    if command == "test":
        return plan.test(), left_out(plan) + ([WHOLE] if len(plan.controllers) > 1 else [])
    if command == "test-matrix":
        return plan.matrix(), left_out(plan)
    return None


def release(plan: Plan, version: str) -> int:
    """Make a release, and say what is left to do."""
    made = plan.release_of(version)
    against = refusals(read_state(ROOT), version)
    if against:
        print(f"No release {version} is made:\n- " + "\n- ".join(against))
        return 1
    if not run_stages(plan.release(made), []):
        if made_already(read_state(ROOT), version):
            print("\nThe commit is there, the tag isn't: the same command again sets it.")
        else:
            print("\nNothing has changed: no commit, no tag.")
        return 1
    print("\n" + made.next_steps())
    return 0


def run_stages(stages: list[Stage], missing: list[str], summary: bool = True) -> bool:
    """Run the stages side by side, and say whether all went well."""
    runner = Runner(stages, LOGS, slots=max(2, min(os.cpu_count() or 2, 4)))
    runner.run()
    if summary:
        return runner.summary(missing)
    return all(stage.state == "ok" for stage in stages)


def wait_for_turn(lock: TextIO) -> None:
    """Let no two runs work in one .build/ at a time."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"Waiting for another run in {BUILD}", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

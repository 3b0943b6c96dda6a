# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make soak` runs: see soaking.py. The same seed does the same harm."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from ansible_collections.imagesync.registry.tests.soak.soaking import Soak

#: MiB that a run may take at most, whatever the number of images
MOST_MEMORY = 250


def main() -> int:
    """Prints what goes on, and at the end what it was; 1 when something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--rate", type=float, default=0.08, help="share of requests with a fault")
    given = parser.parse_args()
    print(f"SEED={given.seed} IMAGES={given.images}: {given.rate:.0%} of requests go wrong")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="imagesync-soak-") as folder:
        soak = Soak(given.images, given.seed, given.rate, Path(folder), _say)
        try:
            soak.run()
            if soak.memory > MOST_MEMORY:
                raise AssertionError(f"{soak.memory:.0f} MiB is more than {MOST_MEMORY}")
        except AssertionError as error:
            print(f"\nFAILED: {error}\nTo see it again: make soak SEED={given.seed}")
            return 1
    print(f"\nin sync: {given.images} images, after {len(soak.runs)} runs with faults")
    print(f"requests {soak.requests}, faults {soak.faults.total()}, retries {soak.retries}")
    for kind, count in sorted(soak.faults.items()):
        print(f"  {kind:<14} {count}")
    print(f"RSS at most {soak.memory:.0f} MiB, {time.monotonic() - began:.0f} s, SEED={given.seed}")
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())

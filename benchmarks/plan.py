# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which tools are measured how often at what, so that all of it takes about 20 minutes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from .counts import COLD, MOVED, NOTHING, PHASES
from .workloads import BIG, MANY_SMALL, MIB, MULTIARCH, Workload

LATENCY = 30.0  # milliseconds added to each round trip
GROWTH = (1_000, 3_000, 10_000)  # tags
QUICK_GROWTH = (300, 1_000)
COUNTED_LAYER = 8 * MIB  # size of the layers of `big` where it is only counted


@dataclass(frozen=True)
class Effort:
    """How often a tool is run at most, and on one of how many repositories."""

    rounds: int
    share: int = 1


@dataclass(frozen=True)
class Case:
    """A workload at a latency in milliseconds; tools that `efforts` lacks run in every round."""

    workload: Workload
    latency: float
    phases: tuple[str, ...] = PHASES
    efforts: Mapping[str, Effort] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """How it is called in the output."""
        where = f"{self.latency:.0f} ms added" if self.latency else "loopback"
        return f"{self.workload.name}, {where}"

    def effort(self, tool: str, rounds: int) -> Effort:
        """How often to run a tool, and on how much."""
        effort = self.efforts.get(tool, Effort(rounds))
        return Effort(min(effort.rounds, rounds), effort.share)

    def phases_of(self, effort: Effort) -> tuple[str, ...]:
        """The phases that are measured: one tag of a part isn't the part of anything."""
        return tuple(p for p in self.phases if p != MOVED or effort.share == 1)


NOT, ONCE, TWICE = Effort(0), Effort(1), Effort(2)

# More at once than 4 does nothing for two cores without latency, and much where there is some.
_NEAR = {"crane-16": NOT, "regctl-16": NOT, "regsync-16": NOT}
_FAR = {"crane-4": NOT, "regctl-4": NOT, "regsync-4": ONCE, "skopeo-sync": ONCE}
_FAR |= dict.fromkeys(("playbook", "module", "crane-16", "regctl-16", "regsync-16"), TWICE)
_PARTS = {
    "skopeo-sync": Effort(1, 5),
    "skopeo-copy-1": Effort(1, 5),
    "skopeo-copy-4": ONCE,
    "ansible-loop": Effort(1, 5),
}
_LOOPS = ("skopeo-copy-1", "skopeo-copy-4", "ansible-loop")

CASES = (
    Case(
        MANY_SMALL,
        0,
        efforts={
            **_NEAR,
            "skopeo-copy-1": ONCE,
            "skopeo-copy-4": ONCE,
            "ansible-loop": Effort(1, 5),
        },
    ),
    Case(
        MANY_SMALL,
        LATENCY,
        efforts={
            **_FAR,
            "skopeo-sync": Effort(1, 10),
            "skopeo-copy-1": Effort(1, 25),
            "skopeo-copy-4": Effort(1, 5),
            "ansible-loop": Effort(1, 25),
        },
    ),
    Case(MULTIARCH, 0, efforts={**_NEAR, "ansible-loop": ONCE}),
    Case(MULTIARCH, LATENCY, efforts={**_FAR, **_PARTS}),
    Case(BIG, 0, (COLD,), {**_NEAR, "skopeo-copy-4": NOT, "ansible-loop": ONCE}),
    Case(BIG, LATENCY, (COLD,), {**_FAR, **dict.fromkeys(_LOOPS, NOT)}),
)
COUNTED = (
    (MANY_SMALL, PHASES),
    (MULTIARCH, PHASES),
    (dataclasses.replace(BIG, own_size=COUNTED_LAYER), (COLD, NOTHING)),
)
# Not worth a column of their own: they send what others here send.
NOT_COUNTED = ("playbook", "skopeo-copy-4", "crane-16", "regctl-16", "regsync-16", "ansible-loop")


def quick_case(case: Case) -> Case:
    """A case at such a workload."""
    efforts = {tool: Effort(effort.rounds) for tool, effort in case.efforts.items()}
    return dataclasses.replace(case, workload=quick(case.workload), efforts=efforts)


def quick(workload: Workload) -> Workload:
    """A workload so small that it only shows whether all works."""
    size = min(workload.own_size, 32 * MIB)
    return dataclasses.replace(workload.part(10), own_size=size)

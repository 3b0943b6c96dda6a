# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a Containerfile is built on: its stages, and the images that they name.

Images are named by ``FROM``, by ``--from`` of ``COPY``, and by ``from`` of ``RUN --mount``. Only
those count that the wanted stage needs, as builders leave out the other stages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from .containerfile_text import ContainerfileText, Instruction, read_text
from .containerfile_variables import declared_args, expand
from .errors import InvalidInput
from .platforms import Platform, parse_platform
from .reference import Reference, parse_reference

SCRATCH = "scratch"


class Base(NamedTuple):
    """An image that a stage is built on, or takes files from, for one platform."""

    reference: Reference
    platform: Platform


class Use(NamedTuple):
    """A place in the text that names an image or stage: what is written there, and what it means.

    ``meant``: the same without quotes and variables. ``stage``: its number, for a stage. ``base``:
    for an image; neither for ``scratch``.
    """

    instruction: Instruction
    written: str
    meant: str
    stage: int | None
    base: Base | None


class Stage(NamedTuple):
    """``uses``: what its ``FROM`` names, then what it takes files from."""

    name: str
    platform: Platform
    uses: list[Use]


class Target(NamedTuple):
    """For whom is built.

    ``stage``: the wanted one, "" for the last. ``build_platform``: that of the host.
    """

    stage: str
    arguments: Mapping[str, str]
    platform: Platform
    build_platform: Platform


class Containerfile:
    """The stages of a Containerfile for one target; raises InvalidInput where it can't be read."""

    def __init__(self, text: str, target: Target) -> None:
        self._text = read_text(text)
        self._stages = _Reader(self._text, target).read()
        wanted = self._wanted(target.stage)
        name = self._stages[wanted].name or str(wanted)
        #: the wanted stage as buildah calls it, which doesn't know those with a name by number
        self.target = name if target.stage else ""
        self._needed = self._reached(wanted)
        self.root = self._root(wanted)

    @property
    def has_heredocs(self) -> bool:
        """Whether there are here-documents in it, which not all builders know."""
        return self._text.has_heredocs

    @property
    def bases(self) -> list[Base]:
        """The images that are needed, each once, in the order of the text."""
        uses = [use for number in sorted(self._needed) for use in self._stages[number].uses]
        return list(dict.fromkeys(use.base for use in uses if use.base))

    def rewritten(self, names: Mapping[Base, str]) -> str:
        """The text with these names in the place of images; each ``FROM`` says its platform.

        buildah 1.28 takes the platform of one ``FROM`` for the next that says none.
        """
        lines = list(self._text.lines)
        for number in self._needed:
            stage = self._stages[number]
            for place, use in enumerate(stage.uses):
                name = self._name(use, names)
                if place == 0:
                    new = _from_line(stage, name)
                elif name != use.written:
                    new = _renamed(lines, use, name)
                else:
                    continue
                first, end = use.instruction.first, use.instruction.end
                # as many lines as before, for what the builder says of them
                lines[first:end] = (new.split("\n") + [""] * (end - first))[: end - first]
        return "\n".join(lines)

    def _name(self, use: Use, names: Mapping[Base, str]) -> str:
        if use.base:
            return names[use.base]
        own = self._stages[use.stage].name if use.stage is not None else ""
        # capitals are other letters to buildah
        differs = own != use.meant and own.lower() == use.meant.lower()
        return own if differs else use.written

    def _wanted(self, target: str) -> int:
        if not target:
            return len(self._stages) - 1
        for number, stage in enumerate(self._stages):
            if stage.name.lower() == target.lower() or str(number) == target:
                return number
        known = ", ".join(stage.name for stage in self._stages if stage.name)
        raise InvalidInput(f"it has no stage {target!r}; it has: {known or 'none with a name'}")

    def _reached(self, wanted: int) -> set[int]:
        found, todo = set(), [wanted]
        while todo:
            number = todo.pop()
            if number not in found:
                found.add(number)
                todo += [use.stage for use in self._stages[number].uses if use.stage is not None]
        return found

    def _root(self, number: int) -> Base | None:
        """The image that the stage stands on in the end; None for ``scratch``."""
        use = self._stages[number].uses[0]
        return use.base if use.stage is None else self._root(use.stage)


def _from_line(stage: Stage, name: str) -> str:
    return f"FROM --platform={stage.platform} {name}" + (f" AS {stage.name}" if stage.name else "")


def _renamed(lines: list[str], use: Use, name: str) -> str:
    """The lines of an instruction with another name in its flag."""
    text = "\n".join(lines[use.instruction.first : use.instruction.end])
    new = re.sub(rf"\bfrom={re.escape(use.written)}(?=[\s,\"']|$)", f"from={name}", text, count=1)
    if new == text:
        raise InvalidInput(f"line {use.instruction.first + 1}: write {use.written} on one line")
    return new


class _Reader:
    """Reads the stages one after the other."""

    def __init__(self, text: ContainerfileText, target: Target) -> None:
        self._text, self._target = text, target
        self._escape = text.escape
        self._automatic = _automatic(target)
        self._global: dict[str, str] = {}
        self._local: dict[str, str] = {}
        self._stages: list[Stage] = []

    def read(self) -> list[Stage]:
        """All of them; at least one."""
        for instruction in self._text.instructions:
            try:
                self._take(instruction)
            except InvalidInput as error:
                where = f"line {instruction.first + 1} ({instruction.keyword})"
                raise InvalidInput(f"{where}: {error}") from None
        if not self._stages:
            raise InvalidInput("it has no FROM")
        return self._stages

    def _take(self, instruction: Instruction) -> None:
        keyword = instruction.keyword
        if keyword == "FROM":
            self._local = {}
            self._stages.append(self._stage(instruction))
        elif keyword == "ARG":
            self._declare(instruction.text)
        elif not self._stages:
            raise InvalidInput("only ARG may stand before the first FROM")
        elif keyword in ("COPY", "RUN"):
            self._files_from(instruction)

    def _declare(self, text: str) -> None:
        given = self._target.arguments
        if not self._stages:
            known = {**self._automatic, **self._global}
            self._global.update(declared_args(text, known, given, self._escape))
            return
        outer = {**self._automatic, **self._global}
        inherited = {name: outer[name] for name in text.split() if name in outer}
        known = {**self._local, **inherited}
        self._local.update({**inherited, **declared_args(text, known, given, self._escape)})

    def _stage(self, instruction: Instruction) -> Stage:
        variables = {**self._automatic, **self._global}
        platform: Platform | None = None
        for name, value, _word in instruction.flags(self._escape):
            if name != "platform":
                raise InvalidInput(f"--{name} isn't known")
            platform = parse_platform(expand(value, variables, self._escape))
        arguments = instruction.arguments(self._escape)
        if len(arguments) not in (1, 3) or (len(arguments) == 3 and arguments[1].lower() != "as"):
            raise InvalidInput("write it as FROM [--platform=PLATFORM] IMAGE [AS NAME]")
        written = expand(arguments[0], variables, self._escape)
        if not written:
            raise InvalidInput(f"{arguments[0]} stands for nothing: its variable has no value")
        number = self._number_of(written)
        if platform is None:
            own = number is not None
            platform = self._stages[number or 0].platform if own else self._target.platform
        base = None
        if number is None and written.lower() != SCRATCH:
            base = Base(_image(written), platform)
        name = arguments[2] if len(arguments) == 3 else ""
        return Stage(name, platform, [Use(instruction, written, written, number, base)])

    def _files_from(self, instruction: Instruction) -> None:
        for name, value, _word in instruction.flags(self._escape):
            if instruction.keyword == "COPY" and name == "from":
                self._add_source(instruction, value)
            elif instruction.keyword == "RUN" and name == "mount":
                for field in value.strip("\"'").split(","):
                    key, _equals, source = field.partition("=")
                    if key.strip() == "from":
                        self._add_source(instruction, source)

    def _add_source(self, instruction: Instruction, written: str) -> None:
        stage = self._stages[-1]
        meant = expand(written, self._local, self._escape)
        if not meant:
            raise InvalidInput(f"from={written} stands for nothing: its variable has no value")
        number = int(meant) if meant.isdigit() else self._number_of(meant)
        if number is not None and number >= len(self._stages) - 1:
            raise InvalidInput(f"from={meant}: no stage before this one is called so")
        base = None if number is not None else Base(_image(meant), stage.platform)
        stage.uses.append(Use(instruction, written, meant, number, base))

    def _number_of(self, name: str) -> int | None:
        """The latest stage of this name."""
        for number in reversed(range(len(self._stages))):
            if self._stages[number].name.lower() == name.lower():
                return number
        return None


def _image(written: str) -> Reference:
    return parse_reference(written).with_default_tag()


def _automatic(target: Target) -> dict[str, str]:
    """The variables that builders set ("Automatic platform ARGs in the global scope")."""
    found = {}
    for prefix, platform in (("TARGET", target.platform), ("BUILD", target.build_platform)):
        found[f"{prefix}PLATFORM"] = str(platform)
        found[f"{prefix}OS"] = platform.os
        found[f"{prefix}ARCH"] = platform.architecture
        found[f"{prefix}VARIANT"] = platform.variant
    return {name: target.arguments.get(name, value) for name, value in found.items()}

# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with commands: the shell's own check, and of those that we know their options."""

from __future__ import annotations

import argparse
import functools
import importlib
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from ansible_collections.imagesync.registry.tests.unit.documents.variables import (
    is_extra_variable,
)
from ansible_collections.imagesync.registry.tests.unit.support import PLUGINS, ROOT

#: programs of others that documents may call; their options are theirs
PROGRAMS = (
    ". [ ansible-builder ansible-navigator ansible-test antsibull-changelog "
    "apt-get awk awx az buildah cat cd chmod chown cmp "
    "cosign cp crictl crontab curl cut diff do docker docker-registry done echo export fi flock "
    "for gcloud gh git grep head helm htpasswd if journalctl jq kubeadm kubectl ls mkdir mv "
    "nerdctl openssl pip pip3 podman printf promtool python3 rm rsync scp sed sha256sum skopeo "
    "sleep sort source ssh ssh-copy-id sudo systemctl systemd-analyze tail tar tee test then "
    "touch unzstd wget while zstd { } "
)
_ANSIBLE = {
    "ansible": ("adhoc", "AdHocCLI"),
    "ansible-config": ("config", "ConfigCLI"),
    "ansible-doc": ("doc", "DocCLI"),
    "ansible-galaxy": ("galaxy", "GalaxyCLI"),
    "ansible-inventory": ("inventory", "InventoryCLI"),
    "ansible-playbook": ("playbook", "PlaybookCLI"),
    "ansible-vault": ("vault", "VaultCLI"),
}
_OURS = "imagesync.registry."
_HEREDOC = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?(.*?)\n.*?^\s*\1$", re.DOTALL | re.MULTILINE)
_ASSIGNMENT = re.compile(r"\w+=")
_ENDS = frozenset(("&&", "||", "|", ";", "&", "(", ")", "\n", ";;"))


def problems_of_script(text: str) -> list[str]:
    """What is wrong with a block of commands."""
    found = []
    done = subprocess.run(
        ["bash", "-n"], input=text, text=True, capture_output=True, check=False, timeout=60
    )
    if done.returncode:
        return [f"bash -n: {done.stderr.strip()}"]
    for words in commands(text):
        found += problems_of_command(words)
    return found


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a script as lists of words, without redirections and variables."""
    text = _HEREDOC.sub(r"\2", text).replace("\\\n", " ")
    for line in text.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";()|&<>")
        lexer.whitespace_split = True
        words: list[str] = []
        skip = False
        for word in lexer:
            if word in _ENDS:
                if words:
                    yield words
                words = []
            elif skip:
                skip = False
            elif set(word) <= set("<>&"):
                skip = True
            elif words or not _ASSIGNMENT.match(word):
                words.append(word)
        if words:
            yield words


def problems_of_command(words: list[str]) -> list[str]:
    """What is wrong with one command."""
    program, *rest = words
    program = program.removeprefix(".build/env/tools/bin/").removeprefix("bin/")
    if program in ("sudo", "then", "do", "if", "while", "exec", "time") and rest:
        return problems_of_command([word for word in rest if not word.startswith("-")])
    if program == "flock":
        return problems_of_command(rest[2:]) if len(rest) > 2 else []
    if program == "make":
        return _make(rest)
    if program == "python3" and rest[:1] == ["tools/dev.py"]:
        return _dev(rest[1:])
    if program == "ansible-rulebook":
        return [one for word in rest if word.startswith(_OURS) for one in _is_there(program, word)]
    if program in _ANSIBLE:
        return _ansible(program, rest)
    if program not in PROGRAMS.split():
        return [
            f"nothing checks the command {program}: is it spelt right? Then name it in shell.py"
        ]
    return []


def _make(words: list[str]) -> list[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    (targets,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    found = []
    for word in words:
        name, sign, _value = word.partition("=")
        if sign and f"$({name})" not in text and f"$(or $({name})" not in text:
            found.append(f"the Makefile reads no {name}")
        if not sign and word not in targets.split():
            found.append(f"there is no make {word}")
    return found


def _dev(words: list[str]) -> list[str]:
    text = (ROOT / "tools" / "dev.py").read_text(encoding="utf-8")
    known = re.findall(r"^dev\.py ([\w-]+)", text, re.MULTILINE)
    return [] if words and words[0] in known else [f"tools/dev.py knows no {words[:1]}"]


def _ansible(program: str, words: list[str]) -> list[str]:
    options = _options(program, words)
    if isinstance(options, str):
        return [f"{program}: {options}"]
    found = []
    kinds = {"ansible-playbook": "playbook", "ansible-doc": getattr(options, "type", "")}
    for name in (options.args or ()) if program in kinds else ():
        if name.startswith(_OURS):
            found += _is_there(kinds[program], name)
    for text in getattr(options, "extra_vars", None) or ():
        for word in shlex.split(text) if not text.startswith(("@", "{")) else ():
            if not is_extra_variable(word.partition("=")[0]):
                found.append(f"nothing reads the variable {word}")
    return found


def _is_there(kind: str, name: str) -> list[str]:
    short = name.removeprefix(_OURS)
    places = {
        "playbook": ROOT / "playbooks" / f"{short}.yml",
        "role": ROOT / "roles" / short / "meta" / "argument_specs.yml",
        "ansible-rulebook": ROOT / "extensions" / "eda" / "rulebooks" / f"{short}.yml",
        "module": PLUGINS / "modules" / f"{short}.py",
    }
    place = places.get(kind, PLUGINS / kind / f"{short}.py")
    return [] if place.exists() else [f"there is no {kind} {name}"]


class _Refused(Exception):
    """A program doesn't know such words."""


def _refuse(_parser: argparse.ArgumentParser, message: str) -> NoReturn:
    raise _Refused(message)


@functools.cache
def _parser(program: str) -> Callable[[list[str]], Any]:
    module, name = _ANSIBLE[program]
    cli = getattr(importlib.import_module(f"ansible.cli.{module}"), name)([program])
    cli.init_parser()
    parser: argparse.ArgumentParser = cli.parser
    return parser.parse_args


def _options(program: str, words: list[str]) -> Any:
    """What the program's own parser makes of the words; a text says why it refuses."""
    before = argparse.ArgumentParser.error
    argparse.ArgumentParser.error = _refuse  # type: ignore[assignment]
    try:
        return _parser(program)(words)
    except _Refused as error:
        return str(error)
    finally:
        argparse.ArgumentParser.error = before  # type: ignore[method-assign]

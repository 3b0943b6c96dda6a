# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that a document shows is checked: a new page by its being there."""

from __future__ import annotations

import ast
import configparser
import json
import re
import shlex
import tomllib
from collections.abc import Callable

import jinja2
import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.lock import read_lock
from ansible_collections.imagesync.registry.tests.unit.documents.blocks import (
    Block,
    blocks,
    blocks_of,
    commands_of,
    documents,
    examples,
)
from ansible_collections.imagesync.registry.tests.unit.documents.playbooks import problems_of_yaml
from ansible_collections.imagesync.registry.tests.unit.documents.shell import (
    problems_of_command,
    problems_of_script,
)
from ansible_collections.imagesync.registry.tests.unit.support import ROOT

BLOCKS = blocks()
SOURCES = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("plugins/*/*.py", "roles/*/meta/argument_specs.yml", "galaxy.yml")
    for path in ROOT.glob(pattern)
)
EXAMPLES = examples()
#: instructions of a Containerfile
INSTRUCTIONS = (
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL ONBUILD RUN SHELL STOPSIGNAL "
    "USER VOLUME WORKDIR #"
)


def problems_of_json(text: str) -> list[str]:
    try:
        found = json.loads(text)
    except ValueError as error:
        return [str(error)]
    if isinstance(found, dict) and {"version", "images"} == found.keys():
        try:
            read_lock(text.encode(), "the lock")
        except InvalidInput as error:
            return [str(error)]
    return []


def problems_of_toml(text: str) -> list[str]:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return [str(error)]
    return []


def problems_of_ini(text: str) -> list[str]:
    """Systemd's units may have a key twice."""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        return [str(error)]
    return []


def problems_of_diff(text: str) -> list[str]:
    return [f"no line of a diff: {line}" for line in text.splitlines() if line[:1] not in " +-@"]


def problems_of_python(text: str) -> list[str]:
    try:
        ast.parse(text)
    except SyntaxError as error:
        return [str(error)]
    return []


def problems_of_jinja(text: str) -> list[str]:
    try:
        jinja2.Environment().parse(text)
    except jinja2.TemplateSyntaxError as error:
        return [str(error)]
    return []


def problems_of_containerfile(text: str) -> list[str]:
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [f"no instruction: {one}" for one in lines if one.split()[0] not in INSTRUCTIONS.split()]


def problems_of_hcl(text: str) -> list[str]:
    """Terraform's, in a comparison. Nothing here reads it, so this is little."""
    code = "\n".join(line.partition("#")[0] for line in text.splitlines())
    even = code.count("{") == code.count("}") and code.count('"') % 2 == 0
    return [] if even else ["braces or quotes that don't end"]


def no_problems(_text: str) -> list[str]:
    """What programs print is shown as they print it."""
    return []


CHECKS: dict[str, Callable[[str], list[str]]] = {
    "bash": problems_of_script,
    "command": lambda text: problems_of_command(shlex.split(text)),
    "diff": problems_of_diff,
    "dockerfile": problems_of_containerfile,
    "hcl": problems_of_hcl,
    "ini": problems_of_ini,
    "jinja": problems_of_jinja,
    "json": problems_of_json,
    "python": problems_of_python,
    "shell": problems_of_script,
    "text": no_problems,
    "toml": problems_of_toml,
    "yaml": problems_of_yaml,
}


def problems_of(block: Block) -> list[str]:
    """What is wrong with a block, with where it stands."""
    check = CHECKS.get(block.language)
    if check is None:
        found = [
            f"nothing checks this language, but {', '.join(sorted(CHECKS))}. "
            "What a program prints is text; for another, add a check to test_documents.py"
        ]
    else:
        found = check(block.text)
    return [f"{block}: {problem}" for problem in found]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_each_block_of_each_document(block: Block) -> None:
    assert problems_of(block) == []


@pytest.mark.parametrize("block", EXAMPLES, ids=str)
def test_the_examples_of_plugins_and_roles(block: Block) -> None:
    assert problems_of(block) == []


def test_all_of_them_were_found() -> None:
    files = documents()
    assert {"README.md", "CONTRIBUTING.md", "docs/pruning.md", "roles/mirror/README.md"} <= {*files}
    assert {block.language for block in BLOCKS} >= {"command", "json", "shell", "text", "yaml"}
    assert any(block.file == "plugins/modules/image_sync.py" for block in EXAMPLES)


HERE = re.compile(r"https://github\.com/imagesync/ansible-registry/(?:blob|tree)/main/([\w./-]+\w)")


@pytest.mark.parametrize("path", [*SOURCES, *documents()])
def test_addresses_of_our_own_files_lead_to_them(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    missing = [found for found in HERE.findall(text) if not (ROOT / found).exists()]
    # the first release makes that one
    assert [found for found in missing if found != "CHANGELOG.md"] == []


def test_links_of_the_readme_are_whole_addresses() -> None:
    """Galaxy shows this page alone, and leads all others to a page of its own that isn't there."""
    links = re.findall(r"\]\(([^)]*)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert links and [link for link in links if not link.startswith(("https://", "#"))] == []


def test_where_blocks_are_found() -> None:
    """Also in lists, and between other fences; what is inside one is no command of the text."""
    text = "`make a`\n\n- b\n\n  ```yaml\n  - c:\n      d\n  ```\n~~~\n`make e`\n~~~\nf `make\n g`"
    assert [*blocks_of("x", text)] == [
        Block("x", 6, "yaml", "- c:\n    d\n"),
        Block("x", 10, "", "`make e`\n"),
    ]
    assert [one.text for one in commands_of("x", text)] == ["make a", "make g"]


DEBUG = "- ansible.builtin.debug:\n    msg: "
IMAGE_SYNC = "- name: x\n  imagesync.registry.image_sync:\n"


@pytest.mark.parametrize(
    ("language", "text", "problem"),
    [
        ("", "x", "nothing checks this language"),
        ("rust", "x", "nothing checks this language"),
        ("json", "{", "Expecting property name"),
        ("json", '{"version": 1, "images": {"x": {}}}', "the lock"),
        ("toml", "a =", "Invalid value"),
        ("ini", "a = 1", "no section headers"),
        ("diff", "a", "no line of a diff"),
        ("jinja", "{{ a", "unexpected end"),
        ("dockerfile", "FORM a", "no instruction"),
        ("shell", "if x", "bash -n"),
        ("shell", "echo a | slopeo copy", "nothing checks the command slopeo"),
        ("shell", "X=1 make tets", "there is no make tets"),
        ("shell", "make bench ROUND=5", "the Makefile reads no ROUND"),
        ("shell", "python3 tools/dev.py tests", "tools/dev.py knows no"),
        ("shell", "cd x && ansible-playbook x.yml --chekc", "unrecognized arguments: --chekc"),
        ("shell", "ansible-playbook imagesync.registry.miror", "there is no playbook"),
        ("shell", "ansible-playbook x.yml \\\n  -e mirror_onyl=x", "nothing reads the variable"),
        ("shell", "ansible-doc -t role imagesync.registry.miror", "there is no role"),
        ("shell", "ansible-doc imagesync.registry.image_snyc", "there is no module"),
        ("shell", "ansible-rulebook -r imagesync.registry.nothing", "there is no ansible-rulebook"),
        ("command", "ansible-galaxy collection instal x", "invalid choice"),
        ("yaml", "a: [", "expected"),
        ("yaml", "---\n", "nothing in it"),
        ("yaml", "a: 1\nb: 2", "of a kind that nothing checks"),
        ("yaml", "registries:\n  - nam: x", "nam"),
        ("yaml", "mirror_prunne: lock", "no role reads the variable mirror_prunne"),
        ("yaml", "mirror_prune: sometimes", "mirror_prune"),
        ("yaml", "mirror_images:\n  - source: a\n    tag: 1", "tag"),
        ("yaml", "all:\n  hosts:\n    a:\n      mirror_state: gone", "mirror_state"),
        ("yaml", "- name: a\n  hosts: b\n  task: []", "no keyword of a play: task"),
        ("yaml", "- name: a\n  hosts: b\n  roles: [imagesync.registry.miror]", "there is no role"),
        ("yaml", IMAGE_SYNC + "    destination: a\n    sorce: b", "sorce"),
        ("yaml", IMAGE_SYNC + "    destination: a\n    state: b", "state"),
        ("yaml", IMAGE_SYNC + "    destination: a\n    source: 'B C'", "B C"),
        ("yaml", IMAGE_SYNC + "    images:\n      - source: a", "destination"),
        ("yaml", IMAGE_SYNC + "    destination: a\n    prune: lock", "prune: lock needs a lock"),
        ("yaml", IMAGE_SYNC + "    destination: a\n  regster: b", "one module"),
        (
            "yaml",
            "- rules:\n    - action:\n        run_playbook:\n          name: imagesync.registry.no",
            "there is no playbook imagesync.registry.no",
        ),
        ("yaml", "- image_sync:\n    destination: a", "full names"),
        ("yaml", "- ansible.builtin.debg:\n    msg: a", "there is no module"),
        ("yaml", "- ansible.builtin.debug:\n    message: a", "has no option message"),
        ("yaml", "- block:\n    - ansible.builtin.debug:\n        mesg: a", "has no option mesg"),
        ("yaml", "- ansible.builtin.debug:\n    msg: '{{ a'", "unexpected end"),
        ("yaml", "- ansible.builtin.debug:\n    msg: '{{ a | uniq }}'", "no filter uniq"),
        ("yaml", "- ansible.builtin.fail:\n  when: a == ", "unexpected"),
        (
            "yaml",
            DEBUG + '"{{ a | imagesync.registry.pin_images(b, mis=1) }}"',
            "no option mis",
        ),
        (
            "yaml",
            DEBUG + "\"{{ query('imagesync.registry.image_tags', n=1) }}\"",
            "no option n",
        ),
        (
            "yaml",
            "- ansible.builtin.include_role:\n    name: imagesync.registry.mirror\n"
            "  vars:\n    mirror_path: '{repo}'",
            "{repo}",
        ),
    ],
)
def test_what_is_wrong_is_found(language: str, text: str, problem: str) -> None:
    assert problem in "\n".join(problems_of(Block("x.md", 1, language, text)))

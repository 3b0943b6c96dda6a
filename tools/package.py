# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is published: the tarball is built and looked at as Galaxy does, and the workflows."""

from __future__ import annotations

import re
from pathlib import Path

from pythons import Python
from stages import Stage, StageFailed
from workspace import BUILD, NAMESPACE, ROOT, Environment, copy_checkout

PACKAGE = BUILD / "package"
COPY = BUILD / "copies" / "galaxy" / NAMESPACE  # of what the tarball was made

#: folders with Python that are no part of it
UNPUBLISHED = (
    "benchmarks/",
    "demo/",
    "tests/package/",
    "tests/soak/",
    "tests/support/",
    "tests/system/",
    "tests/unit/",
    "tools/",
)

#: what tools, editors and tests leave in a checkout; nothing of it may get into the tarball
LITTER = (
    ".ansible/collections/litter.json",
    ".build/env/litter.py",
    ".github/litter.yml",
    ".hypothesis/litter",
    ".mypy_cache/litter.json",
    ".pytest_cache/litter",
    ".venv/bin/litter.py",
    ".vscode/litter.json",
    "changelogs/.plugin-cache.yaml",
    "imagesync-registry-0.0.1.tar.gz",
    "plugins/module_utils/__pycache__/litter.cpython-39.pyc",
    "tests/output/litter.json",
    "tools/__pycache__/litter.cpython-39.pyc",
)

# The files whose form is GitHub's own, and what check-jsonschema calls it.
FORMS = {
    "github-workflows": ".github/workflows/*.yml",
    "dependabot": ".github/dependabot.yml",
    "github-issue-config": ".github/ISSUE_TEMPLATE/config.yml",
    "github-issue-forms": ".github/ISSUE_TEMPLATE/[!c]*.yml",
}


def installed_environment(python: Python, core: str) -> Environment:
    """The environment of who has Ansible, what the collection says that it needs, and no more."""
    return Environment("package", python, (core, "-r", "meta/ee-requirements.txt"))


def check_tarball(stage: Stage, tools: Environment) -> None:
    """Build the tarball from a checkout in use, and let Galaxy's importer look at it."""
    copy = copy_checkout("galaxy")
    for name in LITTER:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).touch()
    tarball = build(stage, tools, copy, PACKAGE)
    # Without ansible-lint: what it would find there, the stage of that name finds.
    import_tarball(stage, tools, tarball, lint=False)
    stage.note = str(tarball.relative_to(ROOT))


def import_tarball(stage: Stage, tools: Environment, tarball: Path, lint: bool = True) -> None:
    """Let Galaxy's importer look at it, which can run ansible-lint too."""
    environment = tools.variables() | {
        "GALAXY_IMPORTER_CHECK_REQUIRED_TAGS": "true",
        "GALAXY_IMPORTER_RUN_ANSIBLE_LINT": str(lint).lower(),
    }
    importer = (tools.bin / "python", "-m", "galaxy_importer.main", tarball.name)
    stage.run(*importer, cwd=tarball.parent, env=environment)
    # It ends well whatever it finds in the parts.
    found = re.search(r"^(ERROR|Traceback).*", stage.log_path.read_text("utf-8"), re.MULTILINE)
    if found:
        raise StageFailed(f"galaxy-importer: {found.group()}")


def build(stage: Stage, tools: Environment, folder: Path, output: Path) -> Path:
    """Build the tarball of the collection in ``folder``, in place of older ones."""
    for old in output.glob("*.tar.gz"):
        old.unlink()
    command = ("collection", "build", "--force", "--output-path", output, folder)
    stage.run(tools.bin / "ansible-galaxy", *command, cwd=ROOT, env=tools.variables())
    (tarball,) = output.glob("*.tar.gz")
    return tarball


def check_workflows(stage: Stage, tools: Environment) -> None:
    """Check what GitHub reads: that it is well formed, and that it gives nothing away."""
    environment = tools.variables()
    for form, pattern in FORMS.items():
        files = sorted(ROOT.glob(pattern))
        if not files:
            raise StageFailed(f"no {pattern}")
        check = (tools.bin / "check-jsonschema", "--builtin-schema", f"vendor.{form}")
        stage.run(*check, *files, cwd=ROOT, env=environment)
    audit = ("zizmor", "--offline", "--no-progress", "--persona", "pedantic", ".github")
    stage.run(tools.bin / audit[0], *audit[1:], cwd=ROOT, env=environment)

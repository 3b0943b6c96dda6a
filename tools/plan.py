# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that is tried, as stages."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from package import (
    COPY,
    PACKAGE,
    UNPUBLISHED,
    check_tarball,
    check_workflows,
    installed_environment,
)
from pages import make_site
from pythons import CONTROLLERS, CORES, OLDEST, TARGETS, Python
from release import Release, try_release
from shown import write_shown
from stages import Stage, StageFailed
from workspace import (
    BUILD,
    COLLECTIONS,
    NAMESPACE,
    ROOT,
    Environment,
    copy_checkout,
    install_programs,
    install_registry,
    prepare_ansible_test,
)

MYPY_PACKAGES = ("plugins", "tests.support", "tests.soak", "tests.unit", "demo", "benchmarks")
#: These say ``tests.support`` for what they share.
MYPY_TESTS = ("tests.system", "tests.package")

# Unit tests of what runs on controllers only, or of what is called by Ansible: not for targets.
NEED_CORE = (
    "action",
    "documents",
    "extensions",
    "filter",
    "lookup",
    "modules",
    "plugin_utils",
    "tools",
)

# Unit tests of what is the same on every Python.
ONCE = ("documents", "tools")
# Those of what knows nothing of Ansible: on the oldest and the newest Pythons, and between these
# in the matrix.
ENGINE = (
    "fuzz",
    *(f"plugins/module_utils/{name}" for name in ("model", "stores", "sync", "transport")),
)

Work = Callable[[Stage], None]


class Plan:
    """The environments for the Pythons that were found, and the stages that run in them."""

    def __init__(self, pythons: list[Python]) -> None:
        """Choose what each Python is for."""
        self.pythons = pythons
        self.targets = [_target(p) for p in pythons if p.version in TARGETS]
        # Newest first: that one is what `make check` and what is run once only use.
        self.controllers = [_controller(p) for p in reversed(pythons) if p.version in CONTROLLERS]
        if not self.controllers:
            raise SystemExit("No Python 3.11 or later was found that can make environments.")
        self.newest = self.controllers[0]
        best = [p for p in pythons if p.version == "3.12"] or [self.newest.python]
        self.tools = Environment("tools", best[0], ("-r", "tools/requirements.txt"))
        core = self.newest.requirements[0]
        self.installed = installed_environment(self.newest.python, core)

    # What is asked for

    def check(self) -> list[Stage]:
        """Return what is quick: for while one works."""
        return [
            *self._environments(self.tools, self.newest),
            *self._format_lint_types(),
            self._unit(self.newest, new_examples=True),
        ]

    def test(self) -> list[Stage]:
        """Return all that is tested, a corner of it with each version of Ansible.

        What takes long comes first, the rest fills the gaps.
        """
        return [
            *self._before_the_system_tests(self.controllers[:1], self.targets[:1], False),
            self._system(self.newest),
            *[self._system(environment, "first") for environment in self._oldest()],
        ]

    def matrix(self) -> list[Stage]:
        """Return the same with every version of Ansible whole."""
        return [
            *self._before_the_system_tests(self.controllers, self.targets, True),
            self._release_tried(),
            self._system(self.newest),
            *[self._system(environment, "all") for environment in self.controllers[1:]],
        ]

    def _before_the_system_tests(
        self, sanity: list[Environment], targets: list[Environment], whole: bool
    ) -> list[Stage]:
        # Where there is no target that is older, the oldest controller is the oldest Python.
        between = self.controllers[1:] if targets else self.controllers[1:-1]
        return [
            self.programs(),
            *self._environments(self.newest, self.tools, *self.controllers[1:], *targets),
            *self._environments(self.installed),
            *self._sanity(sanity, whole),
            *self._format_lint_types(),
            *self._packaging(),
            *[self._unit(e, whole or e not in between) for e in self.controllers + targets],
            *self._integration(whole),
        ]

    def _oldest(self) -> list[Environment]:
        """Return the oldest controller; those between have the integration tests."""
        return [e for e in self.controllers[-1:] if e is not self.newest]

    def run(self) -> list[Stage]:
        """Return what has to be there before a command of the user's can start."""
        return [self.programs(), *self._environments(self.newest)]

    def release_of(self, version: str) -> Release:
        """Return the release of this checkout."""
        return Release(ROOT, version, self.tools, BUILD / "release", PACKAGE)

    def release(self, made: Release) -> list[Stage]:
        """Return what makes a release, up to the upload."""
        before = [self.programs(), *self._environments(self.newest, self.tools, self.installed)]
        return [
            *before,
            Stage("release", f"commit and tarball of {made.version}", made.prepare, ("env-tools",)),
            self._package("release", made.tree, made.tarball),
            Stage("tag", "branch and tag", made.finish, ("release", "package")),
        ]

    def demo(self) -> list[Stage]:
        """Return what has to be there before the demo can start."""
        registry = Stage("registry", "docker-registry", install_registry)
        return [registry, *self._environments(self.newest)]

    def docs(self) -> list[Stage]:
        """Return what makes the documentation site."""
        return [*self._environments(self.tools), self._docs()]

    # The stages

    def programs(self) -> Stage:
        """Return the stage that sees to docker-registry, skopeo and buildah."""
        return Stage("programs", "docker-registry, skopeo and buildah", install_programs)

    def _environments(self, *environments: Environment) -> list[Stage]:
        return [
            Stage(f"env-{e.name}", f"environment of Python {e.python.version}: {e.path}", e.make)
            for e in environments
        ]

    def _format_lint_types(self) -> list[Stage]:
        return [
            self._tool("ruff-format", "ruff", "format", "--check", "."),
            self._tool("ruff", "ruff", "check", "."),
            self._tool("yamllint", "yamllint", "--strict", "."),
            Stage("mypy", "mypy, strict; of tests less so", self._mypy, ("env-tools",)),
        ]

    def _packaging(self) -> list[Stage]:
        return [
            Stage(
                "galaxy",
                "build, and galaxy-importer",
                lambda stage: check_tarball(stage, self.tools),
                ("env-tools",),
            ),
            self._package(),
            Stage(
                "workflows",
                "check-jsonschema and zizmor",
                lambda stage: check_workflows(stage, self.tools),
                ("env-tools",),
            ),
            Stage("ansible-lint", "ansible-lint, production", self._ansible_lint, ("env-tools",)),
            self._docs(),
            self._tool("changelog", "antsibull-changelog", "lint"),
            self._tool("reuse", "reuse", "lint"),
        ]

    def _tool(self, name: str, *command: str) -> Stage:
        def work(stage: Stage) -> None:
            program = self.tools.bin / command[0]
            stage.run(program, *command[1:], cwd=ROOT, env=self.tools.variables())

        return Stage(name, " ".join(command), work, ("env-tools",))

    def _docs(self) -> Stage:
        title = "antsibull-docs, and the documentation site, without a warning"
        return Stage("docs", title, lambda stage: make_site(stage, self.tools), ("env-tools",))

    def _mypy(self, stage: Stage) -> None:
        mypy = (self.tools.bin / "mypy", "--config-file", ROOT / "pyproject.toml")
        prefix = ".".join(NAMESPACE.parts)
        packages = []
        for package in MYPY_PACKAGES:
            if _has_files(package.replace(".", "/"), "*.py"):
                packages += ["-p", f"{prefix}.{package}"]
        packages += [word for package in MYPY_TESTS for word in ("-p", package)]
        environment = self.tools.variables()
        path = {"MYPYPATH": f"{ROOT}{os.pathsep}{ROOT / 'tools'}"}
        stage.run(*mypy, *packages, cwd=COLLECTIONS, env=environment | path)
        stage.run(*mypy, "tools", cwd=ROOT, env=environment | {"MYPYPATH": "tools"})

    def _ansible_lint(self, stage: Stage) -> None:
        # In a copy, as it writes to a folder of its own beside what it reads.
        copy = copy_checkout(stage.name)
        shown = write_shown(copy)
        command = ("ansible-lint", "--offline", "--profile", "production")
        stage.run(self.tools.bin / command[0], *command[1:], cwd=copy, env=self.tools.variables())
        stage.note = f"with {shown} playbooks and lists of tasks that documents show"

    def _package(
        self, made_by: str = "galaxy", checkout: Path = COPY, tarball: Path | None = None
    ) -> Stage:
        """Return the stage that installs the tarball where there is nothing else of this."""

        def work(stage: Stage) -> None:
            made = tarball or next(PACKAGE.glob("*.tar.gz"))
            where = {
                "IMAGESYNC_CHECKOUT": str(checkout),
                "IMAGESYNC_TARBALL": str(made),
                "IMAGESYNC_INSTALLED_BIN": str(self.installed.bin),
                "IMAGESYNC_TOOLS_BIN": str(self.tools.bin),
            }
            self._pytest(self.newest, "tests/package", more=where)(stage)

        needs = ("programs", made_by, "env-tools", "env-package", f"env-{self.newest.name}")
        return Stage("package", "the tarball, installed in an environment of its own", work, needs)

    def _release_tried(self) -> Stage:
        """Return the stage that makes the next release of a copy."""

        def work(stage: Stage) -> None:
            try_release(stage, self.tools)

        return Stage("release", "the next release, of a copy", work, ("env-tools",))

    def _sanity(self, environments: list[Environment], whole: bool) -> list[Stage]:
        # Most of its time goes into files that aren't published, and that ruff and mypy look at.
        left_out = [] if whole else [word for f in UNPUBLISHED for word in ("--exclude", f)]
        stages = []
        # One Python for each version of Ansible: it starts the others itself.
        for environment in {e.python.core: e for e in reversed(environments)}.values():
            name = f"sanity-{environment.python.core}"
            title = f"ansible-test sanity of ansible-core {environment.python.core}"
            work = self._ansible_test(environment, "sanity", "--local", *left_out)
            stages.append(Stage(name, title, work, (f"env-{environment.name}",)))
        return stages

    def _integration(self, whole: bool) -> list[Stage]:
        # On the oldest target, as the system tests have the controllers' Pythons for targets.
        middle = self.controllers[len(self.controllers) // 2]
        stages = [self._integration_of(middle, [*self.targets, middle][0])]
        if whole:
            rest = [controller for controller in self.controllers if controller is not middle]
            # The newest Ansible with another mere target, the oldest with the newest Python.
            targets = [*self.targets[1:], *[self.newest] * len(rest)]
            for controller, target in zip(rest, targets, strict=False):
                stages.append(self._integration_of(controller, target))
        return stages

    def _integration_of(self, controller: Environment, target: Environment) -> Stage:
        version = controller.python.version
        python = f"controller:python={target.python.version}@{target.bin / 'python'}"
        hosts = ("--controller", f"origin:python={version}", "--target", python)
        return Stage(
            f"integration-{controller.name}",
            f"ansible-test integration from Python {version} to {target.python.version}",
            self._ansible_test(controller, "integration", *hosts),
            ("programs", f"env-{controller.name}", f"env-{target.name}"),
        )

    def _ansible_test(self, environment: Environment, command: str, *arguments: str) -> Work:
        def work(stage: Stage) -> None:
            if command == "integration" and not _has_files("tests/integration/targets", "*.yml"):
                stage.note = "nothing there yet: tests/integration/targets"
                return
            if command == "integration" and " " in str(ROOT):
                raise StageFailed("ansible-test cannot run these below a path with a space in it")
            variables = prepare_ansible_test(stage, environment)
            copy = copy_checkout(stage.name)
            program = environment.bin / "ansible-test"
            stage.run(program, command, *arguments, "--color", "no", cwd=copy, env=variables)

        return work

    def _unit(
        self, environment: Environment, whole: bool = True, new_examples: bool = False
    ) -> Stage:
        """``whole``: also of what knows nothing of Ansible."""
        arguments = ["tests/unit"]
        if not environment.python.core:
            arguments += [f"--ignore-glob=*/unit/{name}" for name in NEED_CORE]
            arguments += [f"--ignore-glob=*/unit/plugins/{name}" for name in NEED_CORE]
        more = {}
        if environment is not self.newest:
            arguments.append("--hypothesis-profile=few")
            more["FUZZ_EXAMPLES"] = "8"
            arguments += [f"--ignore=tests/unit/{name}" for name in ONCE]
        elif not new_examples:
            arguments.append("--hypothesis-profile=same")
        if not whole:
            arguments += [f"--ignore=tests/unit/{name}" for name in ENGINE]
        title = f"unit tests on Python {environment.python.version}"
        work = self._pytest(environment, *arguments, more=more)
        return Stage(f"unit-{environment.name}", title, work, (f"env-{environment.name}",))

    def _system(self, environment: Environment, through_ansible: str = "") -> Stage:
        """``through_ansible``: of what starts Ansible ``all`` or the ``first`` of each file."""
        python = environment.python
        title = f"system tests with ansible-core {python.core} on Python {python.version}"
        # Nothing beside them, as some of these tests look at the clock. Three processes for two
        # places: most tests wait now and then.
        options = ["-n", "3", "--dist", "worksteal"]
        if through_ansible:
            title = f"those that start Ansible, with {python.core} on Python {python.version}"
            options.append(f"--through-ansible={through_ansible}")
        work = self._pytest(environment, "tests/system", *options)
        needs = ("programs", f"env-{environment.name}")
        return Stage(f"system-{environment.name}", title, work, needs, slots=2)

    def _pytest(
        self,
        environment: Environment,
        folder: str,
        *arguments: str,
        more: Mapping[str, str] | None = None,
    ) -> Work:
        def work(stage: Stage) -> None:
            if not _has_files(folder, "test_*.py"):
                stage.note = f"nothing there yet: {folder}"
                return
            tmp = BUILD / "tmp" / stage.name
            tmp.parent.mkdir(parents=True, exist_ok=True)
            cwd = COLLECTIONS / NAMESPACE
            python = environment.bin / "python"
            words = [folder, "-q", *arguments]
            variables = environment.variables() | dict(more or {})
            stage.pytest(python, words, cwd=cwd, env=variables, tmp=tmp)

        return work


def left_out(plan: Plan) -> list[str]:
    """Say what is not tried on this machine, for want of a Python."""
    versions = {python.version for python in plan.pythons}
    cores = {python.core for python in plan.pythons}
    no_python = [version for version in TARGETS + CONTROLLERS if version not in versions]
    no_core = [core for core in CORES if core not in cores]
    lines = []
    if no_python:
        lines.append(f"Python {', '.join(no_python)}: not found")
    if no_core:
        lines.append(f"ansible-core {', '.join(no_core)}: no Python for it")
    if not plan.targets:
        lines.append("unit and integration tests on a target older than the controllers")
    if OLDEST in no_python:
        lines.append("the oldest supported libraries: they go with Python " + OLDEST)
    return lines


def _target(python: Python) -> Environment:
    old = "-oldest" if python.version == OLDEST else ""
    return Environment(python.version, python, ("-r", f"tests/requirements{old}.txt"))


def _controller(python: Python) -> Environment:
    major, minor = python.core.split(".")
    core = f"ansible-core>={python.core},<{major}.{int(minor) + 1}"
    return Environment(python.version, python, (core, "-r", "tests/requirements.txt"))


def _has_files(folder: str, pattern: str) -> bool:
    return next(Path(ROOT, folder).rglob(pattern), None) is not None

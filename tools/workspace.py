# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the stages stand on, all of it below .build/: environments, copies, homes."""

from __future__ import annotations

import ast
import configparser
import hashlib
import os
import re
import shutil
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from pythons import Python, pyenv_root
from stages import Stage, StageFailed

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build"
COLLECTIONS = BUILD / "collections"
LOGS = BUILD / "logs"
NAMESPACE = Path("ansible_collections", "imagesync", "registry")

# Programs that the tests and the demo start, with the Debian packages that bring them.
PROGRAMS = {
    "buildah": "buildah",
    "docker-registry": "docker-registry",
    "skopeo": "skopeo",
    "systemd-analyze": "systemd",
}

# The settings of whoever starts this must not decide how tests end.
FOREIGN = (
    "ANSIBLE_",
    "DOCKER_CONFIG",
    "GIT_",
    "IMAGESYNC_",
    "MAKE",
    "MFLAGS",
    "MYPY",
    "PYENV_VERSION",
    "PYTEST_",
    "PYTHON",
    "REGISTRY_",
    "VIRTUAL_ENV",
    "XDG_",
)

_apt_lock = threading.Lock()


@dataclass(frozen=True)
class Environment:
    """A virtual environment below .build/env, made again when what it is made of changes."""

    name: str
    python: Python
    requirements: tuple[str, ...]

    @property
    def path(self) -> Path:
        """Where it is."""
        return BUILD / "env" / self.name

    @property
    def bin(self) -> Path:
        """Where its programs are."""
        return self.path / "bin"

    def make(self, stage: Stage) -> None:
        """Make it, unless it is there as it should be."""
        stamp = self.path / ".made-of"
        made_of = self._made_of()
        if stamp.exists() and stamp.read_text(encoding="utf-8") == made_of:
            stage.note = "there already"
            return
        shutil.rmtree(self.path, ignore_errors=True)
        if not self.python.brings_pip:
            install_packages(stage, [f"python{self.python.version}-venv"])
        stage.run(self.python.path, "-m", "venv", self.path, cwd=ROOT, env=os.environ)
        pip = (self.bin / "python", "-m", "pip", "--disable-pip-version-check")
        # Not compiled: PYTHONPYCACHEPREFIX has Python look for that elsewhere.
        install = ("install", "--no-compile", *self.requirements)
        stage.run(*pip, *install, cwd=ROOT, env=os.environ)
        stamp.write_text(made_of, encoding="utf-8")

    def _made_of(self) -> str:
        parts = [str(self.path), self.python.path, *self.requirements]
        for path in _requirement_files(self.requirements):
            parts.append(path.read_text(encoding="utf-8"))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def variables(self, home: str = "common") -> dict[str, str]:
        """Return the process environment in which its programs run."""
        own_home = BUILD / "home" / home
        own_home.mkdir(parents=True, exist_ok=True)
        variables = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
        return variables | {
            "ANSIBLE_ASYNC_DIR": str(own_home / ".ansible_async"),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            # Ansible asks the password database, not HOME, where this would be.
            "ANSIBLE_REMOTE_TMP": str(own_home / ".ansible" / "tmp"),
            "HOME": str(own_home),
            "HYPOTHESIS_STORAGE_DIRECTORY": str(BUILD / "hypothesis"),
            "NO_COLOR": "1",
            "MYPYPATH": str(COLLECTIONS),
            "MYPY_CACHE_DIR": str(BUILD / "mypy"),
            "PATH": os.pathsep.join([str(self.bin), str(BUILD / "pythons"), *_path_folders()]),
            "PYTHONPATH": str(COLLECTIONS),
            "PYTHONPYCACHEPREFIX": str(BUILD / "pycache"),
        }


def prepare(pythons: list[Python]) -> None:
    """Lay out what all stages share: the collection where Ansible looks for it, and the Pythons."""
    link = COLLECTIONS / NAMESPACE
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(os.path.relpath(ROOT, link.parent))
    shutil.rmtree(BUILD / "pythons", ignore_errors=True)
    (BUILD / "pythons").mkdir()
    for python in pythons:
        (BUILD / "pythons" / f"python{python.version}").symlink_to(python.path)


def copy_checkout(name: str) -> Path:
    """Copy what Git knows or would add, for tools that do not follow links or that leave litter.

    The copy is a repository of its own: in a folder that the checkout ignores, tools that ask Git
    what there is would find nothing, and so nothing wrong.
    """
    destination = BUILD / "copies" / name / NAMESPACE
    shutil.rmtree(BUILD / "copies" / name, ignore_errors=True)
    listed = _git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for file in filter(None, listed.split("\0")):
        if (ROOT / file).exists():
            (destination / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, destination / file, follow_symlinks=False)
    _git(destination, "init", "--quiet")
    _git(destination, "add", "--all", "--force")
    return destination


def install_programs(stage: Stage) -> None:
    """Install the programs that the tests start, where they are missing."""
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        install_packages(stage, [PROGRAMS[program] for program in missing])
    still = [program for program in missing if not shutil.which(program)]
    if still:
        raise StageFailed(f"installed, yet not on PATH: {', '.join(still)}")
    stage.note = f"installed {', '.join(missing)}" if missing else "there already"


def install_registry(stage: Stage) -> None:
    """Install docker-registry where it is missing; the demo can do without."""
    if shutil.which("docker-registry"):
        stage.note = "there already"
        return
    try:
        install_packages(stage, [PROGRAMS["docker-registry"]])
    except StageFailed as error:
        engines = [engine for engine in ("docker", "podman") if shutil.which(engine)]
        instead = f"{' or '.join(engines)} may do" if engines else "folders on disk will do"
        stage.note = f"not installed ({error}); {instead}"


def install_packages(stage: Stage, packages: list[str]) -> None:
    """Install Debian packages as root or by sudo, or say that the user has to."""
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if not shutil.which("apt-get") or (sudo and not shutil.which("sudo")):
        raise StageFailed(f"please install {' '.join(packages)}: this needs apt-get and root")
    apt = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    with _apt_lock:
        # An index that is out of date in parts may do; the installation tells.
        stage.run(*apt, "update", cwd=ROOT, env=os.environ, check=False)
        install = [*apt, "-oDPkg::Lock::Timeout=120", "install", "-y", "--no-install-recommends"]
        code = stage.run(*install, *packages, cwd=ROOT, env=os.environ, check=False)
    if code:
        raise StageFailed(f"apt-get could not install {' '.join(packages)}: please install them")


def prepare_ansible_test(stage: Stage, environment: Environment) -> dict[str, str]:
    """Let ansible-test make its environments from the package index alone.

    It starts them with get-pip.py from a server of its own, unless that is in its cache. And it
    hands no variables of the caller's on to pip: the configuration has to be in its home.
    """
    # A home for each stage, as two of them at work in one cache would get in each other's way.
    variables = environment.variables(f"ansible-test-{stage.name}")
    pip = (str(environment.bin / "python"), "-m", "pip")
    source = next(environment.path.glob("lib/*/site-packages/ansible_test/_internal"))
    wanted = re.search(
        r"\bpip='([\d.]+)'", (source / "python_requirements.py").read_text(encoding="utf-8")
    )
    if wanted is None:
        raise StageFailed("found no version of pip in ansible-test: its source has changed")
    version = wanted.group(1)
    wheel = BUILD / "wheels" / f"pip-{version}-py3-none-any.whl"
    if not wheel.exists():
        download = (*pip, "download", "-q", "--no-deps", "-d", str(wheel.parent))
        stage.run(*download, f"pip=={version}", cwd=ROOT, env=os.environ)
    home = Path(variables["HOME"])
    get_pip = home / ".ansible/test/cache" / f"get_pip_{version.replace('.', '_')}.py"
    get_pip.parent.mkdir(parents=True, exist_ok=True)
    get_pip.write_text(GET_PIP.format(wheel=str(wheel)), encoding="utf-8")
    _write_pip_configuration(pip, home)
    return variables


GET_PIP = """\
import sys
sys.path.insert(0, {wheel!r})
from pip._internal.cli.main import main
unknown = ("--no-setuptools", "--no-wheel")
sys.exit(main(["install", "--upgrade"] + [word for word in sys.argv[1:] if word not in unknown]))
"""


def _git(folder: Path, *arguments: str) -> str:
    # Called from a hook, Git's own variables would lead it to another repository.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    command = ["git", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StageFailed(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def _write_pip_configuration(pip: tuple[str, ...], home: Path) -> None:
    listed = subprocess.run(
        [*pip, "config", "list"], env=os.environ, capture_output=True, text=True, check=True
    )
    configuration = configparser.RawConfigParser()
    # Variables (":env:.index-url") count more than files ("global.index-url"), so they come last.
    for line in sorted(listed.stdout.splitlines(), key=lambda line: line.startswith(":env:")):
        key, value = line.split("=", 1)
        section, option = key.rsplit(".", 1)
        section = "global" if section == ":env:" else section
        if not configuration.has_section(section):
            configuration.add_section(section)
        configuration.set(section, option, str(ast.literal_eval(value)))
    if not configuration.has_section("global"):
        configuration.add_section("global")
    configuration.set("global", "quiet", "2")  # the log is about the tests
    path = home / ".config/pip/pip.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)  # the address of an index may hold a password
    with path.open("w", encoding="utf-8") as file:
        configuration.write(file)


def _requirement_files(requirements: tuple[str, ...]) -> list[Path]:
    files = []
    for word in requirements:
        if word.endswith(".txt"):
            path = ROOT / word
            files.append(path)
            nested = re.findall(r"^-r (\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
            files += [path.parent / other for other in nested]
    return files


def _path_folders() -> list[str]:
    # A shim of a version that isn't selected looks like a Python and ends with an error.
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return [f for f in folders if not (f.startswith(str(pyenv_root())) and f.endswith("shims"))]

# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is written: a service and a timer for systemd, a line for cron."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput

from .expressions import Schedule

#: the first line of our files, by which they are known again
MARK = "# Written by the role imagesync.registry.mirror (schedule). Changes are lost."
#: what flock and the service say when another run has the lock (EX_TEMPFAIL of sysexits.h)
BUSY = 75
#: for any service
_SANDBOX = (
    "NoNewPrivileges=true",
    "ProtectSystem=strict",
    "ProtectHome=read-only",
    "ProtectControlGroups=true",
    "ProtectKernelTunables=true",
    "RestrictSUIDSGID=true",
    "RestrictRealtime=true",
    "RestrictNamespaces=true",
    "LockPersonality=true",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallErrorNumber=EPERM",
)
#: a user's own manager has no right to set these up
_SYSTEM_SANDBOX = (
    "PrivateDevices=true",
    "ProtectClock=true",
    "ProtectHostname=true",
    "ProtectKernelLogs=true",
    "ProtectKernelModules=true",
    "ProtectProc=invisible",
)
_CRON_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Job:
    """One schedule. Paths are absolute, and those of the host.

    ``user``: who it runs as; "" where the manager is that user's own. ``lock``: the file that
    keeps two runs apart. ``seconds``: a run that takes longer is ended.
    """

    name: str
    command: Sequence[str]
    directory: str
    flock: str
    lock: str
    user: str
    seconds: int
    writable: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def locked(self) -> list[str]:
        """The command, which doesn't begin while another one has the lock."""
        flock = [self.flock, "--nonblock", "--conflict-exit-code", str(BUSY), self.lock]
        return [*flock, *self.command]


def service(job: Job) -> str:
    """The service unit."""
    lines = [
        MARK,
        "[Unit]",
        "Description=Mirror container images (imagesync.registry)",
        "Documentation=https://github.com/imagesync/ansible-registry",
        *([] if not job.user else ["Wants=network-online.target", "After=network-online.target"]),
        "",
        "[Service]",
        "Type=oneshot",
        *([f"User={job.user}"] if job.user else []),
        f"WorkingDirectory={_specifiers(job.directory)}",
        *[f"Environment={_word(f'{name}={value}')}" for name, value in _variables(job).items()],
        f"ExecStart={' '.join(_argument(word) for word in job.locked())}",
        f"# {BUSY}: another run has the lock",
        f"SuccessExitStatus={BUSY}",
        f"TimeoutStartSec={job.seconds}",
        "TimeoutStopSec=120",
        "",
        *_SANDBOX,
        *_temporary(job),
        *(_SYSTEM_SANDBOX if job.user else ()),
        # root without capabilities couldn't even read what others own
        *(["CapabilityBoundingSet="] if job.user not in ("", "root") else []),
        *[f"ReadWritePaths={_word('-' + path)}" for path in job.writable],
    ]
    return "\n".join(lines) + "\n"


def timer(schedule: Schedule, delay: int) -> str:
    """The timer unit; ``delay``: seconds, at random."""
    lines = [
        MARK,
        "[Unit]",
        "Description=Mirror container images (imagesync.registry), from time to time",
        "",
        "[Timer]",
        *[f"{key}={_specifiers(value)}" for key, value in schedule.timer()],
        f"RandomizedDelaySec={delay}",
        "FixedRandomDelay=true",
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]
    return "\n".join(lines) + "\n"


def cron_job(job: Job, timeout: str, logger: str) -> str:
    """The command of a crontab line. ``timeout``, ``logger``: where those programs are."""
    variables = {"PATH": _CRON_PATH, **_variables(job)}
    words = [
        "env",
        *[f"{name}={value}" for name, value in variables.items()],
        *job.locked()[:5],
        *([timeout, "--kill-after=120", str(job.seconds)] if timeout else []),
        *job.command,
    ]
    tail = f" 2>&1 | {shlex.join([logger, '-t', job.name])}" if logger else ""
    # cron itself ends a command at a bare %, and takes \% for one, whatever the quotes
    return f"cd {shlex.quote(job.directory)} && {shlex.join(words)}{tail}".replace("%", r"\%")


def check_text(name: str, value: str) -> None:
    """Refuse what a line of a unit or a crontab can't hold."""
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise InvalidInput(f"{name} has a line break or another control character in it")


def check_path(name: str, value: str) -> None:
    """Refuse what isn't an absolute path that can be written down."""
    check_text(name, value)
    if not value.startswith("/") or "\\" in value or value != value.strip():
        raise InvalidInput(
            f"{name} must be an absolute path on the host, without backslashes: '{value}'"
        )


def _temporary(job: Job) -> list[str]:
    """A /tmp of its own, unless something in the common one is needed."""
    needed = (*job.command, job.directory, *job.writable)
    if any(path.startswith(("/tmp/", "/var/tmp/")) for path in needed):
        return ["ReadWritePaths=/tmp /var/tmp"]
    return ["PrivateTmp=true"]


def _variables(job: Job) -> dict[str, str]:
    # neither systemd nor cron need have a locale, and Ansible needs one with UTF-8
    return {"LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", **job.environment}


def _specifiers(text: str) -> str:
    """systemd.unit(5), specifiers."""
    return text.replace("%", "%%")


def _word(text: str) -> str:
    """systemd.syntax(7), quoting."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_specifiers(escaped)}"'


def _argument(text: str) -> str:
    """systemd.service(5), command lines: there, $ stands for variables too."""
    if re.fullmatch(r"[\w@+=:,./-]+", text, re.ASCII):
        return text
    return _word(text).replace("$", "$$")

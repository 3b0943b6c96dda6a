# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""skopeo, the independent reader: what it finds at a place is what is there."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from .content import sha256
from .processes import find_program

IGNORED = {"version"}


def run(*arguments: str) -> bytes:
    """Run skopeo; its output, or an error that holds what it said."""
    command = [find_program("skopeo", "skopeo"), "--insecure-policy", *arguments]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise RuntimeError(f"skopeo {' '.join(arguments)}: {said}")
    return done.stdout


def _access(prefix: str, creds: str | None, cert_dir: Path | None) -> list[str]:
    """The options by which it gets in."""
    options = [f"--{prefix}tls-verify={'true' if cert_dir else 'false'}"]
    if cert_dir:
        options.append(f"--{prefix}cert-dir={cert_dir}")
    options.append(f"--{prefix}creds={creds}" if creds else f"--{prefix}no-creds")
    return options


def raw_manifest(ref: str, creds: str | None = None, cert_dir: Path | None = None) -> bytes:
    """The manifest that `host/repo:tag` names."""
    return run("inspect", "--raw", *_access("", creds, cert_dir), f"docker://{ref}")


def raw_digest(ref: str, creds: str | None = None, cert_dir: Path | None = None) -> str:
    """The digest of that manifest."""
    return sha256(raw_manifest(ref, creds, cert_dir))


def copy_to_dir(
    ref: str, directory: Path, creds: str | None = None, cert_dir: Path | None = None
) -> list[str]:
    """Copy all of an image into a directory, bytes as they are; the digests of its files."""
    access = _access("src-", creds, cert_dir)
    run("copy", "--all", "--preserve-digests", *access, f"docker://{ref}", f"dir:{directory}")
    return [sha256(p.read_bytes()) for p in sorted(directory.iterdir()) if p.name not in IGNORED]


def verify_whole(ref: str, creds: str | None = None, cert_dir: Path | None = None) -> str:
    """Prove that every manifest and blob is there, each under its digest; the root digest."""
    with tempfile.TemporaryDirectory(prefix="imagesync-skopeo-") as name:
        directory = Path(name)
        copy_to_dir(ref, directory, creds, cert_dir)
        for path in directory.iterdir():
            if path.name in IGNORED | {"manifest.json"}:
                continue
            digest = "sha256:" + path.name.partition(".")[0]
            if sha256(path.read_bytes()) != digest:
                raise AssertionError(f"{ref}: {path.name} has another digest")
        return sha256((directory / "manifest.json").read_bytes())


def pulled(home: Path, reference: str) -> str:
    """The digest that it gets for a name with the settings in a user's home, or what it says."""
    program = find_program("skopeo", "skopeo")
    command = [program, "--insecure-policy", "inspect", "--raw", "--no-creds"]
    done = subprocess.run(
        [*command, f"docker://{reference}"],
        capture_output=True,
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
    )
    return done.stderr.decode() if done.returncode else sha256(done.stdout)

# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every error that this collection raises.

    ImageSyncError
      InvalidInput          what the user wrote: a reference, an option, an auth file
      InvalidContent        what a server sent: a manifest, a digest, a size that doesn't match
      ConnectionFailed      no answer: name resolution, TLS, reset, timeout
      RegistryError         an answer that says no
        NotFound            the manifest, blob or repository isn't there
        AuthenticationFailed, AccessDenied
        TagImmutable        the tag is there, and held fast
        RateLimited
          NothingLeft       not even asked: the registry has said that no request is left
      DiskError             a folder or file that holds images: missing, full, not allowed, locked
      WrittenOtherwise      a registry took a write and names something else afterwards
      Cancelled             given up because the run is ending

A message names the place, what was tried and what was said; it never holds a secret.
"""

from __future__ import annotations


class ImageSyncError(Exception):
    """Base of all errors; ``str()`` of it is one sentence for the user."""

    #: whether the same request may succeed when it is sent again
    transient = False


class InvalidInput(ImageSyncError):
    """An option, a reference or a file named by the user can't be used."""


class InvalidContent(ImageSyncError):
    """A server sent something that isn't what its digest, size or type promise.

    ``transient``: bytes that were damaged on their way may come whole the next time.
    """

    def __init__(self, message: str, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient


class DiskError(ImageSyncError):
    """Something on this machine's disk couldn't be read or written; the message names the path."""


class WrittenOtherwise(ImageSyncError):
    """The registry accepted a write, and then named something else than what was written.

    ``now``: the digest that is there instead, "" for nothing; None where only the answer to the
    write was heard.
    """

    def __init__(self, message: str, now: str | None = None) -> None:
        super().__init__(message)
        self.now = now


class Cancelled(ImageSyncError):
    """The step was given up because the run is ending."""


class ConnectionFailed(ImageSyncError):
    """The server gave no answer.

    ``stale`` says that a kept-alive connection turned out to be closed before anything was
    answered, which is worth one more try at once. ``host``: who couldn't be reached.
    """

    host = ""

    def __init__(self, message: str, transient: bool = True, stale: bool = False) -> None:
        super().__init__(message)
        self.transient = transient
        self.stale = stale


class RegistryError(ImageSyncError):
    """The registry answered, and the answer is no.

    ``codes`` are the error codes of the answer's body (distribution-spec, "Error Codes");
    ``retry_after`` the seconds that ``host`` asks to be left alone. ``elsewhere``: it was another
    server that answered, to which the registry had redirected us.
    """

    elsewhere = False

    def __init__(
        self,
        message: str,
        status: int = 0,
        codes: tuple[str, ...] = (),
        transient: bool = False,
        retry_after: float | None = None,
        host: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.codes = codes
        self.transient = transient
        self.retry_after = retry_after
        self.host = host


class NotFound(RegistryError):
    """404, or a registry's own way to say that something isn't there."""


class AuthenticationFailed(RegistryError):
    """401: no credentials, or wrong ones."""


class AccessDenied(RegistryError):
    """403: the credentials are known and don't allow this."""


class TagImmutable(RegistryError):
    """The registry doesn't let a tag that is there be overwritten or deleted."""


class RateLimited(RegistryError):
    """429: too many requests, or a pull limit that is used up."""


class NothingLeft(RateLimited):
    """Not sent: the registry has said that nothing of its limit is left."""

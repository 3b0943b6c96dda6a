# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong, and what is promised then: the tables of docs/reliability.md.

The tests of a fault are those named after its number, `test_fault_07_...`, wherever they are
below tests/; `also` names further ones, as `file.py::test`. What has none says why.
`python3 tools/reliability.py` writes the tables into the page, and a unit test holds them together.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

Tests = tuple[str, ...]


class Row(NamedTuple):
    """A fault, where it is made (see PLACES), and what must come of it."""

    number: int
    fault: str
    place: str
    promise: str
    also: Tests = ()
    why_not: str = ""


class Threat(NamedTuple):
    """Something that somebody may want to do to a user, and what stands against it."""

    number: int
    threat: str
    promise: str
    faults: tuple[int, ...] = ()
    also: Tests = ()
    why_not: str = ""


PLACES = {
    "P": "a proxy before docker-registry",
    "R": "docker-registry itself, in another mode or with damage",
    "F": "a strict registry or another server written for the tests",
    "X": "processes, threads, the environment",
    "L": "layouts on disk",
}

ROWS = (
    Row(1, "reset at byte k of a blob that is read (k = 0, 1, middle, last)", "P",
        "OK: the rest is read by Range, into the same upload"),
    Row(2, "connection closed cleanly before Content-Length is reached", "P", "OK, as 1"),
    Row(3, "Content-Length larger or smaller than the body", "P",
        "OK if it passes; ERR (blob, host, length) if it stays"),
    Row(4, "Content-Length that isn't the size in the descriptor", "P", "ERR (size, digest)"),
    Row(5, "one corrupt byte in a blob, once", "P", "OK: read again"),
    Row(6, "a corrupt byte in a blob, always", "P",
        "ERR (both digests, host); the blob never becomes whole anywhere"),
    Row(7, "a corrupt byte in a manifest that is read by tag", "P",
        "OK: read again by digest; no other image is published"),
    Row(8, "other content for a digest", "P", "ERR (both digests)"),
    Row(9, "a header that names another digest than the body has", "P",
        "ERR (digest); what was read is not pushed"),
    Row(10, "no Docker-Content-Digest", "P", "OK"),
    Row(11, "HEAD of manifests answered with 405 or 501", "F", "OK: by GET"),
    Row(12, "429 with Retry-After: seconds, a date, `1.9ms`, garbage, too long", "P",
        "OK: waited for, by all threads; more than 120 s is ERR (host, seconds)"),
    Row(13, "a pull rate limit that is used up", "P", "ERR (host, what to do), at once"),
    Row(14, "500, 502, 503 and 504 in a row, for each kind of request", "P", "OK"),
    Row(15, "503 for ever", "P", "ERR (host, 503, how often it was tried)"),
    Row(16, "500 with a code that stays (a foreign URL that docker-registry refuses)", "R",
        "ERR at once"),
    Row(17, "a token revoked in mid-run: GET, PUT of a blob, PUT of a manifest", "F",
        "OK: one new token"),
    Row(18, "tokens that live for a second", "F", "OK"),
    Row(19, "a wrong password", "F", "ERR (registry, refused login); one try, whatever is copied",
        ("test_tokens.py::test_a_wrong_password_is_tried_once",)),
    Row(20, "push denied where pull is allowed", "F",
        "ERR (repository, DENIED), before a blob is read"),
    Row(21, "a head or a body that trickles; a flood of interim answers", "P",
        "given up within `timeout`; OK if it passes"),
    Row(22, "no answer at all", "P", "ERR (host, seconds)"),
    Row(23, "reset in the body of an upload", "P",
        "OK: looked for, then whole to a new session"),
    Row(24, "an upload that was done, and its answer lost", "P", "OK: found, not sent again"),
    Row(25, "an upload session that is lost (404, BLOB_UPLOAD_UNKNOWN, _INVALID)", "P",
        "OK: a new session"),
    Row(26, "416 for an upload", "P", "OK: a new session; there are no chunks to go on with"),
    Row(27, "a registry that drops chunks (ECR)", "P", "OK: no PATCH is ever sent"),
    Row(28, "the registry is killed during an upload, and restarted", "X", "OK",
        ("test_copy_order.py::test_a_killed_registry_keeps_its_tag",)),
    Row(29, "413 for an upload", "P", "ERR (blob, who limits it), no retry"),
    Row(30, "an upload's Location: missing, relative, at another host, without TLS, odd query",
        "P", "ERR, OK, OK without login, ERR, OK byte for byte"),
    Row(31, "201 for an upload, and the blob isn't there", "P",
        "OK: the manifest is refused, and the blob sent again; ERR if it stays"),
    Row(32, "a mount answered with 202, 401, 404, 500, or 201 without effect", "P",
        "OK: uploaded"),
    Row(33, "a registry that remembers blobs which it has lost (cache, garbage collection)", "R",
        "repaired with `integrity: blobs` once it was restarted; before, nothing can tell",
        ("test_integrity.py::test_a_registry_that_remembers_what_it_had_has_to_be_restarted",)),
    Row(34, "an index whose children are gone (garbage collection)", "R",
        "found and repaired with `integrity: manifests`",
        ("test_integrity.py::test_what_a_garbage_collection_took_is_brought_back",)),
    Row(35, "a manifest that was stored, and its answer lost, or 500", "P", "OK"),
    Row(36, "201 for a manifest that names another digest", "P", "ERR (both digests)"),
    Row(37, "writes answered with a page (200) or a redirect (301, 302, 303)", "P",
        "ERR (a write was redirected, is this a registry)"),
    Row(38, "a manifest of 1 GB without a length", "F",
        "ERR (4 MiB), having read not much more; memory stays as it is"),
    Row(39, "manifests that are none: depth, NaN, huge numbers, no UTF-8, BOM, keys twice or in "
        "another case, both kinds at once, odd sizes", "F", "ERR (reason), each for itself"),
    Row(40, "an index that is 50 deep, has 100,000 children, or holds itself", "F", "ERR (limit)"),
    Row(41, "tag lists: endless, leading elsewhere, a million tags, with what is no tag", "P",
        "ERR, or bounded; nobody else is asked"),
    Row(42, "a blob redirected to another host", "P", "OK: without login or cookie"),
    Row(43, "a redirect from HTTPS to HTTP, to this machine, to 169.254.169.254, to file://", "P",
        "ERR (where to, and why not), also where a name turns out to be such an address",
        ("test_trust.py::test_where_it_may_not",
         "test_network.py::test_a_redirect_that_resolves_to_this_machine")),
    Row(44, "redirects in a circle, or 20 of them", "P", "ERR after 5"),
    Row(45, "a presigned address that has expired when a blob is to go on", "P",
        "OK: the registry is asked for another one"),
    Row(46, "a token realm without TLS, with a login in it, at an address of this machine", "F",
        "ERR; no login goes there",
        ("test_tokens.py::test_no_realm_on_this_machine_for_a_registry_elsewhere",
         "test_network.py::test_a_realm_that_resolves_to_this_machine")),
    Row(47, "a realm that redirects to another host", "F", "followed, without the login"),
    Row(48, "token answers: 2 MB, none, HTML, line breaks, odd lifetimes", "F",
        "ERR; an odd lifetime is a minute"),
    Row(49, "the source's tag moves during the copy", "P",
        "OK: what was resolved first, whole; the next run follows"),
    Row(50, "the destination's tag is moved by somebody else during the copy", "P",
        "OK: written last; `previous_digest` is what was seen before"),
    Row(51, "a tag that is immutable", "F", "same digest: in sync; another: ERR (immutable)"),
    Row(52, "a repository that doesn't exist (NAME_UNKNOWN, or a closed connection)", "F",
        "ERR (repository, what to do)"),
    Row(53, "two runs at once for one destination", "X", "OK, both"),
    Row(54, "our process is killed, at any moment", "X",
        "the tag stays; the next run sends only what is missing",
        ("test_copy_order.py::test_a_killed_run_keeps_the_tag",)),
    Row(55, "a full disk under a layout", "L", "ERR (path); what was there is valid",
        ("test_layouts_safe.py::test_a_full_disk_leaves_the_old_state",
         "test_layouts_safe.py::test_a_file_that_can_not_grow_is_told")),
    Row(56, "a read-only registry; deletion disabled", "R", "ERR (405, what to set), no retry"),
    Row(57, "a layout with paths that lead out of it: digests, links, FIFOs", "L",
        "ERR (path); nothing outside is read or written",
        ("test_layouts_safe.py::test_hostile_layouts_are_refused",
         "test_layouts_safe.py::test_nothing_is_written_behind_a_link")),
    Row(58, "a layout written by two at once", "L", "neither loses entries",
        ("test_layouts_safe.py::test_writers_lose_nothing",
         "test_layouts_safe.py::test_what_another_program_adds_meanwhile_stays")),
    Row(59, "the referrers API: 500 once, 404, 400, a page, several pages, 500", "F",
        "OK, tag, tag, ERR, all pages, ERR",
        ("test_referrers.py::test_a_failure_is_no_absence_and_leaves_the_tag",)),
    Row(60, "an image under the tag of a list of referrers", "F", "ERR (tag); it is left alone"),
    Row(61, "Content-Encoding on a manifest or blob", "P", "ERR (host); nothing is decompressed"),
    Row(62, "certificates: unknown authority, other host, expired, client's missing", "R",
        "ERR (host, which), never plain HTTP instead",
        ("test_tls.py::test_certificates_that_are_refused",)),
    Row(63, "a proxy that answers CONNECT with 407 or 502, or breaks off", "F",
        "ERR (proxy), without its password",
        ("test_wire.py::test_a_proxys_password_is_not_told",)),
    Row(64, "a token server's clock that is a day off", "F", "OK"),
    Row(65, "another login in ~/.netrc", "X", "ours is used"),
    Row(66, "a kept connection that was closed meanwhile", "P", "OK at once; not even counted"),
    Row(67, "check mode under each fault of a read", "P", "no request that writes"),
)  # fmt: skip

THREATS = (
    Threat(1, "logins shown to a redirect's target, a CDN, a Link's or Location's host",
           "a login goes to its registry's origin, and to the token realm that it names",
           (30, 41, 42, 45, 47)),
    Threat(2, "logins of ~/.netrc or the environment mixed in",
           "documented sources only; the result tells which kind was used", (65,)),
    Threat(3, "being led to services of this machine or cloud (SSRF)",
           "HTTPS stays HTTPS; no addresses of this machine or link, unless the registry is there",
           (30, 41, 43, 46), ("test_network.py::test_a_redirect_that_resolves_to_this_machine",
                              "test_network.py::test_a_realm_that_resolves_to_this_machine")),
    Threat(4, "TLS undone", "no plain HTTP unless told so; no certificate unchecked unless told "
           "so, by registry, with a warning", (62,),
           ("test_tls.py::test_no_fallback_to_plain_http",
            "test_tls.py::test_unchecked_for_one_registry_only")),
    Threat(5, "confusion about digests, types, keys",
           "we hash the bytes ourselves; what was verified is what is pushed",
           (6, 7, 8, 9, 36, 39)),
    Threat(6, "a tag that moves between check and use",
           "a tag is resolved once, and all is read by digest", (9, 49)),
    Threat(7, "another's write undone unseen",
           "the tag is written last; `previous_digest` says what was there", (50,)),
    Threat(8, "memory, time or disk used up", "limits to all that a server can make large, "
           "fixed buffers, times for heads and bodies", (21, 22, 38, 39, 40, 41, 48)),
    Threat(9, "decompression bombs", "layers and configs are never decompressed", (61,)),
    Threat(10, "paths and links in a layout that lead out of it", "digests are checked before "
           "they are paths", (57,)),
    Threat(11, "secrets in output", "in no message, result, log, process list, however loud",
           also=("test_secrets.py::test_through_options",
                 "test_secrets.py::test_through_an_auth_file",
                 "test_secrets.py::test_what_a_registry_repeats_is_not_shown",
                 "test_text.py::test_no_disguise_of_a_secret_is_shown")),
    Threat(12, "credential helpers that inject", "names are checked, no shell, "
           "limits to time and output",
           also=("test_credential_helpers.py::test_names_that_are_none",
                 "test_credential_helpers.py::test_helpers_that_fail",
                 "test_credential_helpers.py::test_a_helper_in_the_current_directory_is_not_run",
                 "test_credential_helpers.py::test_a_helper_that_hangs_is_ended")),
    Threat(13, "control characters in what a registry says", "they are taken out, and text is cut",
           (41,), ("test_problems.py::test_whatever_is_said_makes_one_line",)),
    Threat(14, "half a success that looks whole",
           "success is when the tag names the digest; what is partly done says so",
           (24, 31, 35, 36),
           ("test_images.py::test_one_bad_image_does_not_stop_the_others",)),
    Threat(15, "deletion of what is used", "nothing is deleted that another tag, index or "
           "referrer needs, or after any failure",
           also=("test_prune.py::test_nothing_is_pruned_after_a_failure",
                 "test_prune.py::test_a_digest_that_is_used_stays",
                 "test_prune_hazards.py::test_nothing_is_pruned_where_not_all_can_be_looked_at")),
    Threat(16, "signatures stripped on the way",
           "a lookup of referrers that fails, fails the image before its tag is written", (59, 60),
           ("test_referrers.py::test_a_failure_is_no_absence_and_leaves_the_tag",)),
    Threat(17, "blobs of other repositories brought out by mounts",
           "mounts only from repositories that the call names"),
    Threat(18, "old holes of the HTTP libraries", "the session of requests isn't used; all unit "
           "tests run with the oldest versions too", (42, 65),
           ("test_wire.py::test_netrc_and_cookies_are_nobodys_business",
            "test_wire.py::test_a_body_that_is_cut_off",
            "test_wire.py::test_redirects_are_not_followed")),
)  # fmt: skip

_NAMED = re.compile(r"test_(fault|threat)_(\d\d)_\w+")
_BEGIN, _END = "<!-- {} begin -->", "<!-- {} end -->"


def read_tests(folder: Path) -> dict[str, set[str]]:
    """Of each file with tests below this folder: the names of its tests."""
    found: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
        found.setdefault(path.name, set()).update(n for n in names if n.startswith("test_"))
    return found


def named_after(kind: str, number: int, tests: Mapping[str, set[str]]) -> list[str]:
    """The tests named after a fault or threat, as `file.py::test`."""
    return [
        f"{file}::{name}"
        for file, names in tests.items()
        for name in sorted(names)
        for match in [_NAMED.fullmatch(name)]
        if match and (match[1], int(match[2])) == (kind, number)
    ]


def fault_table(tests: Mapping[str, set[str]]) -> str:
    """The table of faults."""
    lines = ["| | fault | made by | promise | tests |", "| --- | --- | --- | --- | --- |"]
    for row in ROWS:
        own = [*named_after("fault", row.number, tests), *row.also]
        cells = (row.fault, row.place, row.promise, _cell(own, row.why_not))
        lines.append(f"| {row.number} | {' | '.join(cells)} |")
    return "\n".join(lines)


def threat_table(tests: Mapping[str, set[str]]) -> str:
    """The table of threats."""
    lines = ["| | threat | promise | tests |", "| --- | --- | --- | --- |"]
    for threat in THREATS:
        faults = ", ".join(str(number) for number in threat.faults)
        own = [*named_after("threat", threat.number, tests), *threat.also]
        cell = _cell(own, threat.why_not)
        text = "; ".join(part for part in (f"faults {faults}" if faults else "", cell) if part)
        lines.append(f"| {threat.number} | {threat.threat} | {threat.promise} | {text} |")
    return "\n".join(lines)


def _cell(tests: Iterable[str], why_not: str) -> str:
    names = [f"`{test.partition('::')[2]}`" for test in tests]
    return "; ".join([", ".join(names)] * bool(names) + [why_not] * bool(why_not))


def page(text: str, tests: Mapping[str, set[str]]) -> str:
    """The text of the page with its tables as they are now."""
    tables = {"faults": fault_table(tests), "threats": threat_table(tests)}
    for name, table in tables.items():
        begin, end = _BEGIN.format(name), _END.format(name)
        head, _begin, rest = text.partition(begin)
        _old, _end, tail = rest.partition(end)
        text = f"{head}{begin}\n\n{table}\n\n{end}{tail}"
    return text

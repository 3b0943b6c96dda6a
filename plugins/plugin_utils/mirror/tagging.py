# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What follows the gates: one call that moves the tags, and one result of both calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from ansible_collections.imagesync.registry.plugins.module_utils.sync.outcome import (
    Outcome,
    Report,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.settled import FIELDS
from ansible_collections.imagesync.registry.plugins.module_utils.sync.summary import summary

from .gates import Candidates, gates_of

#: of an entry, what counts when its tag moves
_KEPT = ("existing", "backup_tag")
#: all else that a source would be asked for was done when the image was staged
_DONE_BEFORE: dict[str, Any] = {
    "referrers": "never",
    "integrity": "tag",
    "platforms": [],
    "signed_by": [],
}
NOT_PRUNED = "nothing was pruned, as not all images are at their place"
#: instead of a message: with fail_fast, another image has ended the work
NOT_TESTED = "not tested"
#: of an image, what the call tells that moves its tag
_OF_SECOND = (
    "id",
    "digest",
    "source_digest",
    "previous_digest",
    "media_type",
    "reason",
    "msg",
    "backup",
)
_MOVED = ("absent", "digest_differs")
_FAIL_FAST = "another image failed, and fail_fast is set"
_MOST_NAMED = 5
_BUT = "its gate passed, and then its tag could not be moved"

Values = Mapping[str, Any]
Result = dict[str, Any]


def verdicts(waiting: Iterable[Values], found: Mapping[int, Any] | None) -> dict[str, str]:
    """For each destination why its gate failed, "" where it passed.

    ``found``: by number, what the gate's last task said; None where no gate was to run. A gate
    that came to no end has failed.
    """
    told = {}
    for number, image in enumerate(waiting):
        if found is None:
            told[image["destination"]] = NOT_TESTED
            continue
        one = found.get(number)
        ended = isinstance(one, Mapping) and one.get("token") == image["token"]
        message = str(one.get("message") or "") if ended and one else "its gate came to no end"
        told[image["destination"]] = message
    return told


def second_call(plan: Values, first: Values, told: Mapping[str, str], prune: str) -> Result:
    """The images, the lock and ``prune`` of the call that moves tags; no images for no call.

    ``first``: what the call returned that staged. ``told``: see ``verdicts``. Nothing is pruned
    when anything failed. Where it is, the call has to know all images; nobody is asked for those
    that are at their place.
    """
    images = [image for image in first.get("images") or () if isinstance(image, Mapping)]
    bad = any(told.values()) or any(
        image.get("failed") or image.get("reason") == "not_done" for image in images
    )
    if plan["options"].get("fail_fast") and bad:
        images = []
    if bad or prune == "none":
        prune = ""
    candidates = Candidates(plan) if images else None
    found = []
    for image in images:
        passed = told.get(image["destination"]) == ""
        if candidates and (passed or prune):
            entries = candidates.of(image)
            found.append(_again(image, entries[0] if entries else {}, passed))
    # with prune, the second call learns what the first has told, and sees the lock as it was
    lock = plan["lock"] if prune else first.get("lock")
    return {"images": found, "lock": lock if plan["lock"] is not None else None, "prune": prune}


def _again(image: Values, entry: Values, passed: bool) -> Result:
    declared = entry.get("image") or {}
    settled = {key: image[key] for key in FIELDS if image.get(key)}
    if passed:
        settled["reason"] = "staged"
    found = {
        "name": image.get("name") or None,
        "source": image.get("source") or None,
        "destination": image["destination"],
        "state": "absent" if entry.get("absent") else "present",
        **{key: declared[key] for key in _KEPT if key in declared},
        **_DONE_BEFORE,
        "settled": settled,
    }
    return {key: value for key, value in found.items() if value is not None}


def merged(
    plan: Values, first: Values, told: Mapping[str, str], second: Values | None, pruning: bool
) -> Result:
    """One result of the call that staged and the one that moved tags; ``second`` may be missing.

    ``pruning``: whether the user has asked for it, and something has prevented it.
    """
    if not told and second is None:
        return dict(first)
    after = {image["destination"]: image for image in (second or {}).get("images") or ()}
    trouble = _lines(second) if second is not None and "images" not in second else ""
    images = [
        _image(image, told.get(image["destination"]), after.get(image["destination"]), trouble)
        if image["destination"] in told
        else dict(image)
        for image in first.get("images") or ()
    ]
    errors = [line for line in [_beside(second or {}), trouble if not told else ""] if line]
    warnings = [*_list(first, "warnings"), *_list(second or {}, "warnings")]
    if pruning:
        warnings.append(NOT_PRUNED)
    result = {
        **first,
        **{key: value for key, value in (second or {}).items() if key in ("diff", "lock")},
        "images": images,
        "stats": _stats(first.get("stats") or {}, (second or {}).get("stats") or {}),
        "rate_limits": {**_dict(first, "rate_limits"), **_dict(second or {}, "rate_limits")},
        "credentials": {**_dict(first, "credentials"), **_dict(second or {}, "credentials")},
        "pruned": _list(second or {}, "pruned"),
        "warnings": list(dict.fromkeys(warnings)),
    }
    if isinstance(result.get("lock"), Mapping):
        failed = [place for place, message in told.items() if message]
        result["lock"] = _without(result["lock"], plan["lock"] or {}, failed)
    if not result["warnings"]:
        del result["warnings"]
    before, lock = plan["lock"] or {}, _dict(result, "lock")
    moved = any(image.get("changed") for image in images) or result["pruned"]
    result["changed"] = bool(moved) or bool(lock and lock["images"] != before.get("images"))
    if len(images) == 1:
        alone = [key for key in images[0] if key in first or (key == "backup" and "id" in first)]
        result.update({key: images[0][key] for key in alone})
    return _with_message(result, errors)


def not_run(plan: Values, result: Values) -> Result:
    """In check mode: what would have to pass a gate first, and is told to."""
    candidates, images = Candidates(plan), []
    for image in result.get("images") or ():
        if image.get("reason") in _MOVED and gates_of(candidates.of(image)):
            words = "check mode: its gate wasn't run, and may hold it back"
            image = {**image, "gate": "not_run", "warnings": [*_list(image, "warnings"), words]}
        images.append(image)
    return {**result, "images": images} if "images" in result else dict(result)


def foretold(result: Values) -> str:
    """A sentence about the images of ``not_run``; "" where there are none."""
    names = [
        str(image.get("name") or image["destination"])
        for image in result.get("images") or ()
        if image.get("gate") == "not_run"
    ]
    if not names:
        return ""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return (
        f"check mode runs no gates; they may hold back {', '.join(names[:_MOST_NAMED])}{more}, "
        "which the diff and the numbers have as let in"
    )


def _image(image: Values, message: str | None, after: Values | None, trouble: str) -> Result:
    found = dict(image)
    if message == NOT_TESTED:
        return {**found, "reason": "not_done", "msg": f"not done: {_FAIL_FAST}"}
    if message:
        return {**found, "reason": "gate_failed", "failed": True, "msg": message, "gate": "failed"}
    found["gate"] = "passed"
    if after is None:
        if trouble:
            return {**found, "reason": "failed", "failed": True, "msg": f"{_BUT}: {trouble}"}
        return {**found, "reason": "not_done", "msg": f"not done: {_FAIL_FAST}"}
    found.update({key: after[key] for key in _OF_SECOND if key in after})
    found["failed"] = bool(after.get("failed"))
    if found["failed"]:
        found["msg"] = f"{_BUT}: {after.get('msg') or ''}"
    found["changed"] = bool(image.get("changed")) or bool(after.get("changed"))
    found["warnings"] = [*_list(image, "warnings"), *_list(after, "warnings")]
    if found["reason"] == "in_sync" and image.get("changed"):
        before = image.get("previous_digest")  # it has no tag, or its gate has moved that
        found["reason"] = "digest_differs" if before else "absent"
    if not found["warnings"]:
        del found["warnings"]
    return found


def _with_message(result: Result, errors: list[str]) -> Result:
    report = _report(result)
    report.errors = errors
    result.pop("msg", None)
    if report.message():
        result.update(failed=True, msg=report.message())
    else:
        result["failed"] = False
    counts: dict[str, int] = {}
    for image in report.images:
        counts[image.reason] = counts.get(image.reason, 0) + 1
    counts["pruned"] = len(report.pruned)
    stats = result["stats"]
    size, seconds = stats.get("bytes_uploaded") or 0, stats.get("seconds") or 0
    result["summary"] = summary(counts, size, seconds, False)
    return result


def _report(result: Values) -> Report:
    known = {field.name for field in fields(Outcome)}
    outcomes = [
        Outcome(**{key: value for key, value in image.items() if key in known})
        for image in result.get("images") or ()
    ]
    return Report(outcomes, _dict(result, "stats"), {}, pruned=_list(result, "pruned"))


def _beside(result: Values) -> str:
    """What a call says that isn't about one of its images."""
    if "images" not in result:
        return ""
    about, whole = _report(result).message(), _lines(result)
    return whole[len(about) :].strip() if whole.startswith(about) else whole


def _lines(result: Values | None) -> str:
    if result is None:
        return ""
    if result.get("unreachable"):
        return f"the host is unreachable: {result.get('msg') or ''}".strip()
    said = str(result.get("msg") or "")
    return said or ("" if "images" in result else "image_sync gave no result")


def _stats(first: Values, second: Values) -> Result:
    total = dict(first)
    for key, value in second.items():
        if isinstance(value, Mapping):
            own = dict(first.get(key) or {})
            total[key] = {k: own.get(k, 0) + value.get(k, 0) for k in sorted({*own, *value})}
        elif isinstance(value, (int, float)):
            total[key] = round((first.get(key) or 0) + value, 3)
    return total


def _without(lock: Values, before: Values, failed: Iterable[str]) -> Result:
    """A lock in which the images that failed are as they were."""
    images, old = dict(lock.get("images") or {}), before.get("images") or {}
    for place in failed:
        images.pop(place, None)
        if place in old:
            images[place] = old[place]
    return {**lock, "images": images}


def _list(values: Values, key: str) -> list[Any]:
    return list(values.get(key) or ())


def _dict(values: Values, key: str) -> dict[str, Any]:
    return dict(values.get(key) or {})

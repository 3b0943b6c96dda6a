# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.doors import (
    image_info,
    image_sync,
)
from ansible_collections.imagesync.registry.plugins.module_utils.doors.arguments import (
    read_settings,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.sync import run
from ansible_collections.imagesync.registry.plugins.module_utils.sync.masking import (
    check_masking,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.outcome import (
    Outcome,
    Report,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.settings import (
    Settings,
    read_entries,
)
from ansible_collections.imagesync.registry.tests.unit.support import A, B

CONNECTION = {"concurrency": 16, "retries": 5, "timeout": 60}
SYNC = {
    **CONNECTION,
    "state": "present",
    "destination_tag": "{tag}",
    "existing": "replace",
    "fail_fast": False,
}


@pytest.mark.parametrize(
    ("name", "value", "fine"),
    [
        ("concurrency", 1, True),
        ("concurrency", 256, True),
        ("concurrency", 0, False),
        ("concurrency", 257, False),
        ("retries", 0, True),
        ("retries", 100, True),
        ("retries", -1, False),
        ("retries", 101, False),
        ("timeout", 1, True),
        ("timeout", 86_400, True),
        ("timeout", 0, False),
        ("timeout", 86_401, False),
    ],
)
def test_bounds(name: str, value: int, fine: bool) -> None:
    if fine:
        assert getattr(read_settings({**CONNECTION, name: value}), name) == value
    else:
        with pytest.raises(InvalidInput, match=f"{name} must be between"):
            read_settings({**CONNECTION, name: value})


def test_settings() -> None:
    found = read_settings(
        {**CONNECTION, "registries": [{"name": "r.example"}], "auth_file": "/x.json"}
    )
    assert [entry.host for entry in found.entries] == ["r.example"]
    assert found.auth_file == "/x.json"


REFERENCES = ["docker.io/library/busybox:1.36", f"r.example/team/app@{A}", "web"]


@pytest.mark.parametrize(
    ("secret", "fine"),
    [
        ("correct-horse", True),
        ("busyboxes", True),
        ("Library", True),
        ("0123456789abcdef", True),
        ("xyz", True),
        ("abcdefg", True),
        ("busybox", False),
        ("library/busybox", False),
        ("e", False),
        ("team", False),
        ("web", False),
        ("1.36", False),
        ("sha256", False),
        (":", False),
        ("abc", False),
        ("0", False),
        ("1234567", False),
        ("a" * 20, False),
        (REFERENCES[0], False),
    ],
)
@pytest.mark.parametrize("field", ["password", "token", "identity_token"])
def test_secrets_that_ansible_would_mask_in_the_result(field: str, secret: str, fine: bool) -> None:
    entry = {"name": "other.example", field: secret}
    if field == "password":
        entry["username"] = "busybox"  # a name is no secret
    settings = Settings(read_entries([entry]))
    if fine:
        check_masking(settings, REFERENCES)
        return
    with pytest.raises(InvalidInput, match="Ansible would mask it") as caught:
        check_masking(settings, REFERENCES)
    if len(secret) > 4:
        assert secret not in str(caught.value).replace("sha256", "")
    assert "other.example" not in str(caught.value)


# what happens before the first request


@pytest.fixture
def no_sync(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collects what would be synchronised."""
    calls: list[Any] = []

    def sync(declared: Any, *rest: Any) -> Report:
        calls.append((declared, *rest))
        return Report([], {}, {})

    monkeypatch.setattr(run, "sync", sync)
    return calls


def test_one_image(no_sync: list[Any]) -> None:
    image_sync.image_sync({**SYNC, "source": "a:1", "destination": "r.example/a"}, True)
    ((declared, settings, check_mode, fail_fast, stop, limits, *_rest),) = no_sync
    assert [str(image.destination) for image in declared] == ["r.example/a:1"]
    assert (settings.retries, check_mode, fail_fast) == (5, True, False)
    assert stop is None
    assert limits == (None, None)


def test_limits_are_read(no_sync: list[Any]) -> None:
    given = {"bandwidth_limit": "20M", "max_bytes": "1.5G", "deadline": 30}
    image_sync.image_sync({**SYNC, "images": [], **given}, False)
    ((_declared, settings, _check_mode, _fail_fast, _stop, limits, *_rest),) = no_sync
    assert settings.bandwidth_limit == 20 << 20
    assert limits == (3 << 29, 1800.0)


@pytest.mark.parametrize(
    "given",
    [
        {"bandwidth_limit": "fast"},
        {"bandwidth_limit": ""},
        {"max_bytes": "-1"},
        {"max_bytes": "0"},
        {"deadline": 0},
        {"deadline": 1 << 40},
        {"registries": [{"name": "r.example", "max_connections": 0}]},
        {"registries": [{"name": "r.example", "requests_per_second": 0.0}]},
        {"registries": [{"name": "r.example", "requests_per_second": float("nan")}]},
        {"registries": [{"name": "r.example/team", "max_connections": 2}]},
    ],
)
def test_limits_that_make_no_sense(no_sync: list[Any], given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(given))):
        image_sync.image_sync({**SYNC, "images": [], **given}, False)
    assert no_sync == []


def test_an_empty_list_is_fine(no_sync: list[Any]) -> None:
    result = image_sync.image_sync({**SYNC, "images": []}, False)
    assert (result["changed"], result["images"]) == (False, [])
    assert "failed" not in result
    assert no_sync[0][0] == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"source": "a:1", "destination": ""},
        {"source": "a:1", "destination": None},
        {"source": "A:1", "destination": "r.example/a"},
        {"images": [{"source": "a:1"}]},
        {"images": [{"source": "a:1", "destination": "b"}, {"source": "c:1", "destination": "b"}]},
        {
            "source": "a:1",
            "destination": "r.example/a",
            "registries": [{"name": "r.example", "token": "r.exa"}],
        },
        {
            "images": [{"source": "a:1", "destination": "b", "name": "my-web"}],
            "registries": [{"name": "r.example", "token": "my-web"}],
        },
        {"source": "a:1", "destination": "r.example/a", "retries": -1},
    ],
)
def test_mistakes_are_found_before_the_first_request(
    no_sync: list[Any], parameters: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput):
        image_sync.image_sync({**SYNC, **parameters}, False)
    assert no_sync == []


def result_of(*images: Outcome, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    told = {"r": {"remaining": 3}}
    report = Report(list(images), {"retries": 1}, {"r": "options"}, told, ["careful"])
    monkeypatch.setattr(run, "sync", lambda *_: report)
    return image_sync.image_sync({**SYNC, "images": []}, False)


def test_the_result_of_one_image_is_repeated_at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Outcome("r/a:1", digest=A, previous_digest=B, changed=True, reason="digest_differs")
    image.warnings.append("careful")
    result = result_of(image, monkeypatch=monkeypatch)
    assert result["images"] == [image.as_dict()]
    for key in ("destination", "digest", "previous_digest", "changed", "reason"):
        assert result[key] == result["images"][0][key]
    assert result["warnings"] == ["careful"]
    assert result["stats"] == {"retries": 1}
    assert result["credentials"] == {"r": "options"}
    assert result["rate_limits"] == {"r": {"remaining": 3}}
    assert result["diff"] == {"before": f"r/a:1 {B}\n", "after": f"r/a:1 {A}\n"}
    assert "failed" not in result


def test_the_result_of_two_images_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [Outcome("r/a:1", reason="in_sync"), Outcome("r/b:1")]
    images[1].fail("broken")
    result = result_of(*images, monkeypatch=monkeypatch)
    assert "destination" not in result
    assert result["failed"] is True
    assert result["msg"] == "1 of 2 images failed:\nr/b:1: broken"
    assert result["changed"] is False


def test_the_failure_of_one_image(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Outcome("r/a:1")
    image.fail("broken")
    result = result_of(image, monkeypatch=monkeypatch)
    assert (result["failed"], result["msg"]) == (True, "r/a:1: broken")
    assert result["reason"] == "failed"


# image_info


def test_image_info(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def describe(references: Any, settings: Settings, referrers: bool, keys: Any) -> Any:
        asked.append(([str(r) for r in references], settings.retries, referrers, keys))
        return [{"image": "x"}], {"requests": {}}

    monkeypatch.setattr(image_info, "describe", describe)
    result = image_info.image_info({**CONNECTION, "images": ["busybox", "b:1"], "referrers": True})
    assert asked == [(["docker.io/library/busybox:latest", "docker.io/library/b:1"], 5, True, None)]
    assert result["changed"] is False
    assert result["images"] == [{"image": "x"}]
    assert result["requests"] == {}


@pytest.mark.parametrize(
    "parameters",
    [{"images": ["Bad"]}, {"images": ["web"], "registries": [{"name": "r", "token": "web"}]}],
)
def test_mistakes_in_image_info(
    monkeypatch: pytest.MonkeyPatch, parameters: dict[str, Any]
) -> None:
    monkeypatch.setattr(image_info, "describe", lambda *_: pytest.fail("asked"))
    with pytest.raises(InvalidInput):
        image_info.image_info({**CONNECTION, "referrers": False, **parameters})

# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    parse_reference,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.backup import check_backups
from ansible_collections.imagesync.registry.plugins.module_utils.sync.declared import (
    Declared,
    read_image,
    read_images,
)
from ansible_collections.imagesync.registry.tests.unit.support import A

R = "r.example/app"


def one(source: str = "q/app:1", destination: str = R, **values: Any) -> Declared:
    values.setdefault("backup_tag", "{tag}-previous")
    (found,) = read_image({"source": source, "destination": destination, **values})
    assert isinstance(found, Declared)
    return found


@pytest.mark.parametrize(
    ("destination", "more", "expected"),
    [
        (R, {}, f"{R}:1-previous"),
        (f"{R}:stable", {}, f"{R}:stable-previous"),  # the destination's tag moves
        (f"{R}:stable@{A}", {}, f"{R}:stable-previous"),
        (R, {"destination_tag": "v{tag}"}, f"{R}:v1-previous"),
        (R, {"backup_tag": "old"}, f"{R}:old"),
        (R, {"backup_tag": ""}, "None"),
        (R, {"backup_tag": None}, "None"),
        (R, {"state": "staged"}, f"{R}:1-previous"),
        (R, {"state": "absent"}, "None"),
        (f"{R}@{A}", {"source": f"q/app@{A}"}, "None"),
        ("oci:/srv/b:docker.io/library/x:2", {}, "oci:/srv/b:docker.io/library/x:2-previous"),
        ("oci:/srv/b:2", {}, "oci:/srv/b:2-previous"),
        (f"oci:/srv/b:docker.io/library/x@{A}", {}, "None"),
    ],
)
def test_where_the_old_one_goes(destination: str, more: dict[str, Any], expected: str) -> None:
    assert str(one(destination=destination, **more).backup) == expected


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{'tag': None}", "backup_tag is a mapping"),
        ("{name}-old", "only {tag} may stand in braces"),
        ("{tag} old", "is not a tag"),
        ("x" * 128 + "{tag}", "is not a tag"),
        ("{tag}", "is the destination's own tag, 1"),
        ("1", "is the destination's own tag, 1"),
    ],
)
def test_what_is_no_tag_is_refused(template: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        one(backup_tag=template)


def test_entries_have_their_own() -> None:
    entries = [
        {"source": "q/a:1", "destination": "r.example/a", "backup_tag": "", "min_age": "0"},
        {"source": "q/b:1", "destination": "r.example/b"},
    ]
    found = read_images(entries, {"backup_tag": "{tag}-old", "min_age": "3d"})
    assert all(isinstance(image, Declared) for image in found)
    assert [(i.backup_tag, i.min_age) for i in found] == [  # type: ignore[union-attr]
        ("", 0),
        ("1-old", 259_200),
    ]


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([one(), one("q/app:2", f"{R}:1-previous")], "another image is declared for that"),
        ([one(), one(destination=f"{R}:1-previous", state="absent")], "another image is declared"),
        ([one(backup_tag="old"), one("q/app:2", backup_tag="old")], r"put \{tag\} into backup_tag"),
        ([one(), one(f"{R}:1-previous", f"{R}:x")], "the source of another image"),
        ([one(f"{R}:1-previous", f"{R}:1")], "each run would swap the two"),
    ],
)
def test_a_backup_goes_nowhere_else(images: list[Declared], words: str) -> None:
    with pytest.raises(InvalidInput, match=f"{R}:1 .*{words}|{R}:2 .*{words}"):
        check_backups(images)


def test_what_is_declared_elsewhere_is_left_alone() -> None:
    with pytest.raises(InvalidInput, match="another image"):
        check_backups([one()], [parse_reference(f"{R}:1-previous")])
    check_backups([one()], [parse_reference(R), parse_reference("r.example/b:1-previous")])


def test_what_is_fine() -> None:
    check_backups([])
    check_backups([one(), one(), one("q/app:2"), one("q/b:1", "r.example/b")])
    # brought back by its digest, or without a backup
    check_backups([one(f"{R}:1-previous@{A}", f"{R}:1")])
    check_backups([one(f"{R}:1-previous", f"{R}:1", backup_tag="")])

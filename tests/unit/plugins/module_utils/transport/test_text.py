# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.transport.text import (
    Scrubber,
    clean,
    printable_url,
)

PASSWORD = 'Canary/Pw+9=x&"\u00e9'
PAIR = base64.b64encode(f"user:{PASSWORD}".encode()).decode()


@pytest.mark.parametrize(
    "said",
    [
        PASSWORD,
        PASSWORD.lower(),
        quote(PASSWORD, safe=""),
        'Canary/Pw+9=x&\\"\\u00e9',
        f"Basic {PAIR}",
        f"Basic {PAIR.rstrip('=')}",
        base64.b64encode(PASSWORD.encode()).decode(),
        "fetched.token",
    ],
)
def test_no_disguise_of_a_secret_is_shown(said: str) -> None:
    scrub = Scrubber()
    scrub.add_login("user", PASSWORD)
    scrub.add("fetched.token")
    shown = scrub(f"the registry says <{said}> of it")
    assert said.rstrip("=") not in shown and "********" in shown
    assert shown.startswith("the registry says <") and shown.endswith("> of it")


def test_lines_stay_and_escapes_go() -> None:
    shown = Scrubber()("one \x1b[31mred\x1b[0m\ntwo\x07\r\u202e")
    assert shown == "one  [31mred [0m\ntwo"


def test_what_is_too_short_for_a_secret_is_left() -> None:
    scrub = Scrubber()
    scrub.add_login("", "abc")
    assert scrub("abc def") == "abc def"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pw@cdn.example/blob?X-Amz-Signature=secret", "https://cdn.example/blob"),
        ("http://r.example:5000/v2/#x", "http://r.example:5000/v2/"),
    ],
)
def test_urls_are_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert printable_url(url) == shown


def test_long_text_is_cut() -> None:
    assert clean("x" * 400) == "x" * 299 + "…"


def test_a_secret_that_is_no_text_is_no_problem() -> None:
    scrub = Scrubber()
    scrub.add_login("u", "pass\udcffword")
    assert scrub("it is pass word") == "it is pass word"

# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    InvalidContent,
    RegistryError,
)
from ansible_collections.imagesync.registry.plugins.module_utils.stores import catalog as module
from ansible_collections.imagesync.registry.plugins.module_utils.stores.catalog import catalog
from ansible_collections.imagesync.registry.tests.unit.support import FakeClient, answer

HOME = f"{FakeClient.home}/v2/_catalog"
JSON = {"Content-Type": "application/json"}


def page(*names: Any, link: str = "") -> Any:
    headers = {**JSON, "Link": f'<{link}>; rel="next"'} if link else JSON
    return answer(200, {"repositories": list(names)}, headers)


def read(*answers: Any) -> tuple[list[str], list[str]]:
    """The names, and the URLs that were asked."""
    client = FakeClient(list(answers))
    found = catalog(client)  # type: ignore[arg-type]
    assert {need.scopes() for need in client.needs} == {("registry:catalog:*",)}
    return found, [url for _method, url in client.seen]


def test_pages_are_followed_by_link() -> None:
    found, urls = read(page("b", "a", link="/v2/_catalog?n=100&last=a"), page("c"))
    assert found == ["a", "b", "c"]
    assert urls == [f"{HOME}?n=100", f"{HOME}?n=100&last=a"]


def test_full_pages_without_a_link_are_followed_by_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAGE", 2)
    found, urls = read(page("a", "b"), page("c/d", "e"), page())
    assert found == ["a", "b", "c/d", "e"]
    assert urls == [f"{HOME}?n=2", f"{HOME}?n=2&last=b", f"{HOME}?n=2&last=e"]
    # one that gives all of it each time
    assert read(page("a", "b", "c"), page("a", "b", "c"))[0] == ["a", "b", "c"]


def test_names_that_are_none_are_left_out() -> None:
    assert read(page("a", "A", "a:1", "", "../b", 5, None, "x/y"))[0] == ["a", "x/y"]
    assert read(answer(200, '{"repositories": null}', JSON))[0] == []
    assert read(answer(200, "{}", JSON))[0] == []


@pytest.mark.parametrize("body", ["[]", "no JSON", '{"repositories": "a"}', "[" * 100_000])
def test_what_is_no_list(body: str) -> None:
    with pytest.raises(InvalidContent, match="isn't such a list"):
        read(answer(200, body, JSON))


@pytest.mark.parametrize("link", ["https://elsewhere.example.com/v2/_catalog", "http://[x/"])
def test_another_host_is_not_asked(link: str) -> None:
    with pytest.raises(InvalidContent, match="on another host"):
        read(page("a", link=link))


def test_a_list_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_REPOSITORIES", 3)
    pages = [page(f"a{n}", link=f"/v2/_catalog?last={n}") for n in range(9)]
    with pytest.raises(InvalidContent, match="no end"):
        read(*pages)
    assert read(page("a", link="/v2/_catalog?x"), page("a", link="/v2/_catalog?x"))[0] == ["a"]


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_where_there_is_none_it_is_said_what_to_do(status: int) -> None:
    error = RegistryError(f"registry.example.com said {status}", status)
    with pytest.raises(RegistryError, match=f"said {status}; .*write them down"):
        read(error)
    with pytest.raises(RegistryError, match=r"^broken$"):
        read(RegistryError("broken", 500))

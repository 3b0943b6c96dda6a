# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("ansible", reason="plugin_utils run on the controller, inside Ansible")

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.path_template import path_of
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    Reference,
    parse_reference,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.discovery.undo import (
    NotToldByPath,
    undo,
)

_LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,4}[a-z0-9])?", fullmatch=True)
_HOST = st.one_of(
    st.just("localhost"),
    st.just("docker.io"),
    st.lists(_LABEL, min_size=2, max_size=3).map(".".join),
)
_REGISTRY = st.builds(
    lambda host, port: f"{host}:{port}" if port else host,
    _HOST.filter(lambda host: host not in ("index.docker.io", "registry-1.docker.io")),
    st.sampled_from([0, 0, 1, 443, 5000, 65535]),
)
_COMPONENT = st.from_regex(r"[a-z0-9]{1,3}((\.|__?|-{1,2})[a-z0-9]{1,3}){0,2}", fullmatch=True)
_REPOSITORY = st.lists(_COMPONENT, min_size=1, max_size=3).map("/".join)
_LITERAL = st.sampled_from(["", "/", "-", "a", "mirror/", "/x/"])
_PARTS = st.sampled_from(["{registry}", "{repository}", "{name}"])
_TEMPLATES = st.one_of(
    st.sampled_from(["{registry}/{repository}", "{repository}/{registry}", "{repository}"]),
    st.lists(st.one_of(_PARTS, _LITERAL), min_size=1, max_size=5).map("".join),
).filter(lambda text: text.strip("/"))


@given(_REGISTRY, _REPOSITORY, _TEMPLATES, st.booleans())
def test_undoing_a_path_gives_its_source_or_says_that_it_cannot(
    registry: str, repository: str, template: str, known: bool
) -> None:
    source = parse_reference(f"{registry}/{repository}")
    path = path_of(source, template)
    try:
        found = undo(path, template, source.registry if known else "")
    except InvalidInput as error:
        assert str(error).startswith("ambiguous: ")
        assert template != "{registry}/{repository}"
    else:
        assert found == source


@given(st.text(st.sampled_from("ab.:/_-0@[]"), max_size=20), _TEMPLATES)
def test_nothing_but_paths_of_sources_is_undone(path: str, template: str) -> None:
    try:
        found = undo(path, template)
    except InvalidInput:
        return
    assert found is None or path_of(found, template) == path


@pytest.mark.parametrize(
    ("path", "template", "registry", "source"),
    [
        ("docker.io/library/busybox", "{registry}/{repository}", "", "docker.io/library/busybox"),
        ("quay.io/a/b", "{registry}/{repository}", "", "quay.io/a/b"),
        ("localhost_5000/a", "{registry}/{repository}", "", "localhost:5000/a"),
        ("a.example.com_5000/a_b/c", "{registry}/{repository}", "", "a.example.com:5000/a_b/c"),
        ("cache/quay.io/all/a/b", "cache/{registry}/all/{repository}", "", "quay.io/a/b"),
        ("a/b/quay.io", "{repository}/{registry}", "", "quay.io/a/b"),
        ("b/quay.io/a/b", "{name}/{registry}/{repository}", "", "quay.io/a/b"),
        ("quay.io-a/b", "{registry}-{repository}", "", "quay.io/a/b"),
        ("a/b", "{repository}", "quay.io", "quay.io/a/b"),
        ("library/busybox", "{repository}", "docker.io", "docker.io/library/busybox"),
        ("quay.io/a", "{registry}/{repository}", "quay.io", "quay.io/a"),
        # what no source's path is
        ("busybox", "{registry}/{repository}", "", None),
        ("library/busybox", "{registry}/{repository}", "", None),
        ("docker.io/busybox", "{registry}/{repository}", "", None),
        ("index.docker.io/library/busybox", "{registry}/{repository}", "", None),
        ("quay.io/", "{registry}/{repository}", "", None),
        ("quay.io_0/a", "{registry}/{repository}", "", None),
        ("quay.io_65536/a", "{registry}/{repository}", "", None),
        ("quay.io/../a", "{registry}/{repository}", "", None),
        ("c/quay.io/a/b", "{name}/{registry}/{repository}", "", None),
        ("ghcr.io/a", "{registry}/{repository}", "quay.io", None),
        ("busybox", "{repository}", "docker.io", None),
    ],
)
def test_paths(path: str, template: str, registry: str, source: str | None) -> None:
    found = undo(path, template, registry)
    assert (str(found) if found else None) == source


def test_what_a_path_does_not_tell() -> None:
    with pytest.raises(NotToldByPath, match=r"ambiguous: .* leaves out the registry"):
        undo("library/busybox", "{repository}")
    with pytest.raises(NotToldByPath, match=r"ambiguous: .* leaves out the repository's path"):
        undo("quay.io/busybox", "{registry}/{name}")
    # both are names of hosts
    with pytest.raises(InvalidInput, match=r"ambiguous: it may be a.b-c.d/e or a.b/c.d-e"):
        undo("a.b-c.d-e", "{registry}-{repository}")
    assert undo("a.b-c.d-e", "{registry}-{repository}", "a.b") == Reference("a.b", "c.d-e")

# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    Reference,
    canonical_registry,
    is_loopback,
    parse_reference,
)

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"

WRITTEN = {
    "registry.example.com:5000/team/app:1.2": ("registry.example.com:5000", "team/app", "1.2", ""),
    "docker://registry.example.com:5000/team/app:1.2": (
        "registry.example.com:5000",
        "team/app",
        "1.2",
        "",
    ),
    "busybox": ("docker.io", "library/busybox", "", ""),
    "busybox:1.36": ("docker.io", "library/busybox", "1.36", ""),
    "grafana/grafana:11.2.0": ("docker.io", "grafana/grafana", "11.2.0", ""),
    f"quay.io/app@{DIGEST}": ("quay.io", "app", "", DIGEST),
    f"quay.io/app:1.2@{DIGEST}": ("quay.io", "app", "1.2", DIGEST),
    f"busybox@{DIGEST}": ("docker.io", "library/busybox", "", DIGEST),
    f"quay.io/app@sha512:{HEX * 2}": ("quay.io", "app", "", f"sha512:{HEX * 2}"),
    f"quay.io/app@sha384:{HEX}{HEX[:32]}": ("quay.io", "app", "", f"sha384:{HEX}{HEX[:32]}"),
    "docker.io/busybox": ("docker.io", "library/busybox", "", ""),
    "index.docker.io/busybox": ("docker.io", "library/busybox", "", ""),
    "registry-1.docker.io/a/b:1": ("docker.io", "a/b", "1", ""),
    "registry.hub.docker.com/library/busybox": ("docker.io", "library/busybox", "", ""),
    "localhost/app": ("localhost", "app", "", ""),
    "localhost:5000/app": ("localhost:5000", "app", "", ""),
    # without a slash there is no registry: Docker's rule
    "127.0.0.1:5000/a/b/c": ("127.0.0.1:5000", "a/b/c", "", ""),
    "[::1]:5000/app:1": ("[::1]:5000", "app", "1", ""),
    "[::1]/app": ("[::1]", "app", "", ""),
    "[2001:DB8::1]:5000/app": ("[2001:db8::1]:5000", "app", "", ""),
    "Registry.EXAMPLE.com/app:UP": ("registry.example.com", "app", "UP", ""),
    "host:1/a__b/c-d/e--f/g.h_i": ("host:1", "a__b/c-d/e--f/g.h_i", "", ""),
    "host:65535/app": ("host:65535", "app", "", ""),
    f"quay.io/app:{'t' * 128}": ("quay.io", "app", "t" * 128, ""),
    "quay.io/app:_under": ("quay.io", "app", "_under", ""),
    f"quay.io/{'r' * 255}": ("quay.io", "r" * 255, "", ""),
    " quay.io/app ": ("quay.io", "app", "", ""),
}

REFUSED = {
    "": "empty",
    " ": "empty",
    "https://quay.io/app": "scheme",
    "http://quay.io/app": "scheme",
    "docker://": "empty",
    "docker://https://quay.io/app": "scheme",
    "dir:/srv/app": "not supported",
    "containers-storage:app": "not supported",
    "quay.io/App": "lower case",
    "App": "lower case",
    "quay.io/": "not a repository",
    "/app": "not a repository",
    "quay.io//app": "not a repository",
    "quay.io/app/": "not a repository",
    "quay.io/../app": "not a repository",
    "quay.io/a..b": "not a repository",
    "quay.io/a___b": "not a repository",
    "quay.io/-app": "not a repository",
    "quay.io/app-": "not a repository",
    "quay.io/a b": "not a repository",
    "quay.io/a\x00b": "not a repository",
    "quay.io/a\x1b[31mb": "not a repository",
    "quay.io/\u0430pp": "not a repository",
    "quay.io/app\u200b": "not a repository",
    "quay.io/app?x=1": "not a repository",
    "quay.io/app#x": "not a repository",
    "quay.io/app%2f": "not a repository",
    "quay.io/app:": "not a tag",
    "quay.io/app:-x": "not a tag",
    "quay.io/app:.x": "not a tag",
    "quay.io/app:a\nb": "not a tag",
    "quay.io/app:a:b": "not a tag",
    f"quay.io/app:{'t' * 129}": "not a tag",
    f"quay.io/{'r' * 256}": "longer than 255",
    "quay.io/app@": "not a digest",
    "quay.io/app@latest": "not a digest",
    f"quay.io/app@{DIGEST.upper()}": "not a digest",
    f"quay.io/app@sha256:{HEX.upper()}": "not a digest",
    f"quay.io/app@{DIGEST}0": "not a digest",
    f"quay.io/app@{DIGEST[:-1]}": "not a digest",
    f"quay.io/app@md5:{HEX[:32]}": "not a digest",
    f"quay.io/app@{DIGEST}@{DIGEST}": "more than one '@'",
    f"quay.io/app@{DIGEST}:1.2": "not a digest",
    "user@quay.io/app": "not a digest",
    "localhost:5000": "a registry and no repository",
    "registry.example.com:5000": "a registry and no repository",
    "quay.io": "a registry and no repository",
    "host:0/app": "not a port",
    "host:65536/app": "not a port",
    "host:123456/app": "not a registry host",
    "host:x/app": "not a registry host",
    "host:/app": "not a registry host",
    "under_score.example.com/app": "not a registry host",
    "-a.example.com/app": "not a registry host",
    "a..example.com/app": "not a registry host",
    "[::1/app": "not a registry host",
    "[::::]:5000/app": "not a registry host",
    "[1.2.3.4]/app": "not a registry host",
    "[fe80::1%25eth0]/app": "not a registry host",
}


@pytest.mark.parametrize(("text", "parts"), WRITTEN.items())
def test_what_a_reference_means(text: str, parts: tuple[str, str, str, str]) -> None:
    registry, repository, tag, digest = parts
    assert parse_reference(text) == Reference(registry, repository, tag or None, digest or None)


@pytest.mark.parametrize(("text", "reason"), REFUSED.items())
def test_what_is_no_reference(text: str, reason: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_reference(text)
    assert reason in str(caught.value)
    assert repr(text) in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("user:s3cret@quay.io/app:1", "'...@quay.io/app:1'"),
        ("docker://user:s3cret@quay.io/app:1", "'...@quay.io/app:1'"),
        ("user:s3cret@2@quay.io:5000/app", "'...@quay.io:5000/app'"),
        (f"user:s3cret/x@quay.io/app@{DIGEST}", f"'...@quay.io/app@{DIGEST}'"),
        ("https://user:s3cret@quay.io/app", "'...@quay.io/app'"),
        ("https://user:s3cret@quay.io", "'...@quay.io'"),
    ],
)
def test_a_login_in_a_reference_is_not_repeated(text: str, shown: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_reference(text)
    said = f"invalid image reference {shown}: it has a login in it; give that in registries"
    assert str(caught.value) == said


@pytest.mark.parametrize("text", WRITTEN)
def test_full_form_means_the_same(text: str) -> None:
    reference = parse_reference(text)
    assert parse_reference(str(reference)) == reference


COMPONENT = st.from_regex(r"[a-z0-9]+((\.|__?|-+)[a-z0-9]+){0,2}", fullmatch=True)
PORT = st.integers(1, 65535).map(lambda port: f":{port}") | st.just("")
HOST = st.sampled_from(
    ["docker.io", "localhost", "quay.io", "[::1]", "[2001:db8::7]", "10.0.0.1", "a-b.c1.example"]
)
REFERENCES = st.builds(
    Reference,
    st.builds("{}{}".format, HOST, PORT),
    st.lists(COMPONENT, min_size=2, max_size=4).map("/".join),
    st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", fullmatch=True),
    st.none() | st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True),
    st.just(""),
)
NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.:@+/-]{0,30}", fullmatch=True)
ON_DISK = st.builds(
    "{}:{}{}{}{}".format,
    st.sampled_from(["oci", "oci-archive", "docker-archive"]),
    st.sampled_from(["/srv/bundle", "~/b", "/", "/a b/\xe9", "/srv/a@b"]),
    st.just("") | st.builds(":{}".format, NAMES),
    st.just("") | st.builds(":{}".format, st.builds(str, REFERENCES)),
    st.just("") | st.just(f"@{DIGEST}"),
)


@given(REFERENCES)
def test_every_reference_survives_being_written(reference: Reference) -> None:
    assert parse_reference(str(reference)) == reference


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_refused_in_words(text: str) -> None:
    try:
        reference = parse_reference(text)
    except InvalidInput:
        return
    assert parse_reference(str(reference)) == reference
    assert str(reference).isascii() or reference.transport


def test_pointer_and_default_tag() -> None:
    both = parse_reference(f"quay.io/app:1@{DIGEST}")
    assert both.pointer == DIGEST
    assert parse_reference("quay.io/app:1").pointer == "1"
    assert parse_reference("quay.io/app").pointer == "latest"
    assert both.with_default_tag() == both
    assert str(parse_reference("busybox").with_default_tag()) == "docker.io/library/busybox:latest"
    by_digest = parse_reference(f"quay.io/app@{DIGEST}")
    assert by_digest.with_default_tag().tag is None


def test_id_has_no_tag() -> None:
    assert parse_reference("quay.io/app:1").at(DIGEST) == f"quay.io/app@{DIGEST}"


@pytest.mark.parametrize(
    ("host", "loopback"),
    {
        "localhost": True,
        "localhost:5000": True,
        "127.0.0.1": True,
        "127.1.2.3:80": True,
        "[::1]": True,
        "[::1]:5000": True,
        "128.0.0.1": False,
        "10.0.0.1:5000": False,
        "[::2]:5000": False,
        "localhost.example.com": False,
        "notlocalhost": False,
        "127.0.0.1.example.com": False,
        "registry.example.com": False,
    }.items(),
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    "name",
    [
        "docker.io",
        "index.docker.io",
        "registry-1.docker.io",
        "registry.hub.docker.com",
        "Docker.IO",
    ],
)
def test_docker_hub_has_one_name(name: str) -> None:
    assert canonical_registry(name) == "docker.io"


def test_docker_hub_with_a_port_is_another_registry() -> None:
    assert canonical_registry("docker.io:5000") == "docker.io:5000"


#: text: folder or file, whole name, digest, the tag of the image, and what its tags have in common
DISK = {
    "oci:/srv/b": ("/srv/b", None, None, None, "oci:/srv/b"),
    "oci:/srv//b/": ("/srv/b", None, None, None, "oci:/srv/b"),
    "oci:~/b:1.2": ("~/b", "1.2", None, "1.2", "oci:~/b"),
    "oci:~:1.2": ("~", "1.2", None, "1.2", "oci:~"),
    "oci:/b:app:1": ("/b", "app:1", None, "1", "oci:/b:app"),
    "oci:/b:docker.io/library/app:1": (
        "/b",
        "docker.io/library/app:1",
        None,
        "1",
        "oci:/b:docker.io/library/app",
    ),
    "oci:/b:localhost:5000/app": (
        "/b",
        "localhost:5000/app",
        None,
        None,
        "oci:/b:localhost:5000/app",
    ),
    f"oci:/b@{DIGEST}": ("/b", None, DIGEST, None, "oci:/b"),
    f"oci:/b:1@{DIGEST}": ("/b", "1", DIGEST, "1", "oci:/b"),
    # taken by its digest alone, an image is called so
    f"oci:/b:quay.io/app@{DIGEST}": (
        "/b",
        f"quay.io/app@{DIGEST}",
        DIGEST,
        None,
        "oci:/b:quay.io/app",
    ),
    f"oci:/b:quay.io/app:1@{DIGEST}": ("/b", "quay.io/app:1", DIGEST, "1", "oci:/b:quay.io/app"),
    "docker-archive:/a.tar:app:1": ("/a.tar", "app:1", None, "1", "docker-archive:/a.tar:app"),
    "oci-archive:/a.tar": ("/a.tar", None, None, None, "oci-archive:/a.tar"),
}


@pytest.mark.parametrize("text", DISK)
def test_places_on_disk(text: str) -> None:
    path, name, digest, tag, group = DISK[text]
    found = parse_reference(text)
    assert (found.repository, found.tag, found.digest) == (path, name, digest)
    assert (found.image_tag, found.group) == (tag, group)
    assert found.name == f"{found.transport}:{path}"
    assert parse_reference(str(found)) == found == found.with_default_tag()
    assert found.at(DIGEST) == f"{found.transport}:{path}@{DIGEST}"


@pytest.mark.parametrize(
    ("text", "reason"),
    {
        "oci:relative": "must be absolute",
        "oci:": "must be absolute",
        "oci-archive:a.tar:1": "its file must be absolute",
        "oci:/b:": "not a name",
        "oci:/b:a b": "not a name",
        "oci:/b:.hidden": "not a name",
        "oci:/b\n:1": "characters that can't be shown",
    }.items(),
)
def test_what_is_no_place_on_disk(text: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        parse_reference(text)


@given(ON_DISK)
def test_every_place_on_disk_survives_being_written(text: str) -> None:
    try:
        reference = parse_reference(text)
    except InvalidInput:
        return
    assert parse_reference(str(reference)) == reference
    assert reference.covers(reference)


def test_tags_below_a_name() -> None:
    place = parse_reference("oci:/b:quay.io/app")
    assert str(place.with_tag("1")) == "oci:/b:quay.io/app:1"
    assert place.tag_of("quay.io/app:1") == "1"
    assert not any(map(place.tag_of, ["quay.io/apple:1", "quay.io/app", "quay.io/app:1/b:2"]))
    assert place.covers(parse_reference("oci:/b:quay.io/app:1"))
    assert not place.covers(parse_reference("oci:/b:quay.io/apple:1"))
    assert not place.covers(parse_reference("oci:/c:quay.io/app:1"))
    assert parse_reference("oci:/b").covers(place)
    whole = parse_reference("quay.io/app")
    assert whole.covers(parse_reference("quay.io/app:1")) and whole.tag_of("1") == "1"
    assert not parse_reference("quay.io/app:2").covers(parse_reference("quay.io/app:1"))

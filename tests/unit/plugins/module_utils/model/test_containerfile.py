# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.containerfile import (
    Containerfile,
    Target,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.containerfile_variables import (  # noqa: E501
    expand,
    words_of,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.module_utils.model.platforms import (
    parse_platform,
)

AMD, ARM = parse_platform("linux/amd64"), parse_platform("linux/arm64")
VARIABLES = {"A": "a", "EMPTY": ""}


def read(text: str, stage: str = "", **arguments: str) -> Containerfile:
    """For arm64, on amd64."""
    return Containerfile(text, Target(stage, arguments, ARM, AMD))


def bases(text: str, stage: str = "", **arguments: str) -> list[str]:
    return [f"{base.reference} {base.platform}" for base in read(text, stage, **arguments).bases]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("$A-${A}", "a-a"),
        ("$AB", ""),
        ("${NONE:-x}", "x"),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY-x}", ""),
        ("${NONE-x}", "x"),
        ("${A:+x}", "x"),
        ("${EMPTY:+x}", ""),
        ("${EMPTY+x}", "x"),
        ("${NONE+x}", ""),
        ("${NONE:-${A}b}", "ab"),
        ('"$A b"', "a b"),
        ("'$A'", "$A"),
        (r"\$A", "$A"),
        ("5$", "5$"),
    ],
)
def test_variables(text: str, value: str) -> None:
    assert expand(text, VARIABLES) == value


@pytest.mark.parametrize("text", ["${", "${A", "${A:?x}", "${1}"])
def test_what_is_no_variable(text: str) -> None:
    with pytest.raises(InvalidInput):
        expand(text, VARIABLES)


def test_words() -> None:
    assert words_of(r"""a "b c"d 'e\' f\ g""") == ["a", '"b c"d', "'e\\'", r"f\ g"]


HUB = "docker.io/library"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FROM scratch", []),
        ("FROM busybox", [f"{HUB}/busybox:latest linux/arm64"]),
        ("from  BusyBox AS x".replace("BusyBox", "busybox:1"), [f"{HUB}/busybox:1 linux/arm64"]),
        ("# syntax=docker/dockerfile:1\n\n# FROM a\nFROM b", [f"{HUB}/b:latest linux/arm64"]),
        ("FROM \\\n  # why\n\n  b", [f"{HUB}/b:latest linux/arm64"]),
        ("# escape=`\nFROM `\n  b", [f"{HUB}/b:latest linux/arm64"]),
        ("ARG V=1\nARG I=b:$V\nFROM ${I}", [f"{HUB}/b:1 linux/arm64"]),
        ("ARG A=1 B=2\nFROM b:$A$B", [f"{HUB}/b:12 linux/arm64"]),
        ("FROM b:$TARGETARCH-$BUILDARCH", [f"{HUB}/b:arm64-amd64 linux/arm64"]),
        ("FROM --platform=$BUILDPLATFORM b", [f"{HUB}/b:latest linux/amd64"]),
        ("FROM --platform=linux/s390x b AS x\nFROM x", [f"{HUB}/b:latest linux/s390x"]),
        ("FROM b AS x\nFROM X", [f"{HUB}/b:latest linux/arm64"]),
        ("FROM b AS x\nFROM c\nCOPY --from=x / /", [f"{HUB}/{n}:latest linux/arm64" for n in "bc"]),
        ("FROM b\nFROM c\nCOPY --from=0 / /", [f"{HUB}/{n}:latest linux/arm64" for n in "bc"]),
        ("FROM b\nFROM c", [f"{HUB}/c:latest linux/arm64"]),
        (
            "FROM --platform=amd64 b\nCOPY --chown=1 --from=d:1 / /",
            [f"{HUB}/b:latest linux/amd64", f"{HUB}/d:1 linux/amd64"],
        ),
        (
            "FROM b\nRUN --mount=type=bind,from=d,target=/d true",
            [f"{HUB}/b:latest linux/arm64", f"{HUB}/d:latest linux/arm64"],
        ),
        ("ARG D=d\nFROM scratch\nARG D\nCOPY --from=$D / /", [f"{HUB}/d:latest linux/arm64"]),
        ("FROM b\nRUN <<EOF\nFROM nothing\nEOF\nCOPY a b", [f"{HUB}/b:latest linux/arm64"]),
        ('FROM b\nRUN <<-"X Y" echo\nUSER 1', [f"{HUB}/b:latest linux/arm64"]),
        ("FROM b\nRUN <<-'E'\nFROM c\n\tE\nUSER 1", [f"{HUB}/b:latest linux/arm64"]),
        ("FROM b\nRUN cat <<< FROM", [f"{HUB}/b:latest linux/arm64"]),
        ("FROM b\r\nUSER 1\r\n", [f"{HUB}/b:latest linux/arm64"]),
        ("FROM b AS b\nFROM b", [f"{HUB}/b:latest linux/arm64"]),
    ],
)
def test_what_is_built_on(text: str, found: list[str]) -> None:
    assert bases(text) == found


def test_arguments_and_stages_choose() -> None:
    text = "ARG V=1\nFROM a:$V AS one\nFROM b:$V AS two\nFROM c"
    assert bases(text, "one", V="2") == [f"{HUB}/a:2 linux/arm64"]
    assert bases(text, "1") == [f"{HUB}/b:1 linux/arm64"]
    assert bases("FROM a:${V:-3}", V="2") == [f"{HUB}/a:3 linux/arm64"]  # no ARG declares it


def test_what_a_stage_stands_on_in_the_end() -> None:
    assert read("FROM scratch AS a\nFROM a").root is None
    root = read("FROM b AS x\nFROM c AS y\nFROM x\nCOPY --from=y / /").root
    assert root and str(root.reference) == f"{HUB}/b:latest"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "it has no FROM"),
        ("# nothing\n", "it has no FROM"),
        ("USER 1\nFROM a", r"line 1 \(USER\): only ARG may stand before the first FROM"),
        ("FROM a b", r"line 1 \(FROM\): write it as FROM"),
        ("FROM a AS", r"line 1 \(FROM\): write it as FROM"),
        ("FROM --what=1 a", "--what isn't known"),
        ("FROM $NONE", "stands for nothing"),
        ("FROM A", "must be lower case"),
        ("FROM --platform=x/y/z/w a", "not a platform"),
        ("FROM a\nCOPY --from=0 / /", "no stage before this one"),
        ("FROM a\nCOPY --from=7 / /", "no stage before this one"),
        ("FROM a\n???", "line 2 is no instruction"),
        ("FROM a\nRUN <<EOF\nx", "the here-document EOF after line 2 doesn't end"),
        ("# escape=x\nFROM a", "escape is a backslash or `"),
        ("FROM ${a", "isn't closed"),
    ],
)
def test_what_can_not_be_read(text: str, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        read(text)


def test_a_stage_that_is_not_there() -> None:
    with pytest.raises(InvalidInput, match="no stage 'x'; it has: one"):
        read("FROM a AS one\nFROM b", "x")


@pytest.mark.parametrize(
    ("wanted", "name"), [("", ""), ("0", "One"), ("ONE", "One"), ("1", "1"), ("two", "two")]
)
def test_the_wanted_stage_as_buildah_calls_it(wanted: str, name: str) -> None:
    """It knows stages with a name by nothing else, and takes capitals for other letters."""
    assert read("FROM a AS One\nFROM b\nFROM c AS two", wanted).target == name


def test_stages_are_named_as_buildah_calls_them() -> None:
    text = (
        "FROM scratch AS Base\nCOPY a /a\nFROM base AS next\nCOPY --from=BASE /a /b\n"
        "COPY --from=0 /a /c\nRUN --mount=from=base,target=/x cp /x/a /\n"
        'ARG NAME=base\nCOPY --from="base" /a /d\nCOPY --from=$NAME /a /e\n'
    )
    assert read(text).rewritten({}) == (
        "FROM --platform=linux/arm64 scratch AS Base\nCOPY a /a\n"
        "FROM --platform=linux/arm64 Base AS next\nCOPY --from=Base /a /b\n"
        "COPY --from=0 /a /c\nRUN --mount=from=Base,target=/x cp /x/a /\n"
        "ARG NAME=base\nCOPY --from=Base /a /d\nCOPY --from=Base /a /e\n"
    )


def test_the_text_with_other_names() -> None:
    text = (
        "# comment\n"
        "FROM --platform=$BUILDPLATFORM busybox AS Tools\n"
        "COPY a \\\n"
        "  b\n"
        "FROM other AS unused\n"
        "FROM \\\n"
        "  busybox\n"
        "COPY --from=Tools /a /b\n"
        "COPY --from=busybox-more --from=busybox / /\n"
        "RUN --mount=from=busybox,target=/x --mount=from=busybox,target=/y cp --from=busybox /x"
        " /y\n"
        "FROM scratch\n"
        "COPY --from=2 / /\n"
    )
    found = read(text)
    names = {base: f"oci:base{number}" for number, base in enumerate(found.bases)}
    assert list(names.values()) == ["oci:base0", "oci:base1", "oci:base2"]
    assert found.rewritten(names) == (
        "# comment\n"
        "FROM --platform=linux/amd64 oci:base0 AS Tools\n"
        "COPY a \\\n"
        "  b\n"
        "FROM other AS unused\n"
        "FROM --platform=linux/arm64 oci:base1\n"
        "\n"
        "COPY --from=Tools /a /b\n"
        "COPY --from=oci:base2 --from=oci:base1 / /\n"
        "RUN --mount=from=oci:base1,target=/x --mount=from=oci:base1,target=/y cp --from=busybox /x"
        " /y\n"
        "FROM --platform=linux/arm64 scratch\n"
        "COPY --from=2 / /\n"
    )

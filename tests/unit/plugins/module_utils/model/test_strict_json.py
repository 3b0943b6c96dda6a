# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidContent
from ansible_collections.imagesync.registry.plugins.module_utils.model.strict_json import (
    check_keys,
    parse_object,
    to_json,
)

DEEP = b'{"a":' + b"[" * 63 + b"]" * 63 + b"}"

REFUSED = {
    b"": "not valid JSON",
    b"{": "not valid JSON",
    b"<html></html>": "not valid JSON",
    b"[]": "not a JSON object",
    b"null": "not a JSON object",
    b'"text"': "not a JSON object",
    b"{} {}": "not valid JSON",
    b'{"a":1,"a":2}': "'a' occurs twice",
    b'{"a":{"b":1,"b":1}}': "'b' occurs twice",
    b'{"a":1,"\\u0061":2}': "'a' occurs twice",
    b'{"a":NaN}': "NaN is not allowed",
    b'{"a":Infinity}': "Infinity is not allowed",
    b'{"a":-Infinity}': "-Infinity is not allowed",
    b'{"a":1e400}': "too large",
    b'{"a":-1e400}': "too large",
    b'{"a":' + b"9" * 5000 + b"}": "too large",
    b'{"a":-' + b"9" * 5000 + b"}": "too large",
    b'{"a":9007199254740993}': "too large",
    b'{"a":' + b"[" * 64 + b"]" * 64 + b"}": "nested deeper",
    b'{"a":' * 65 + b"1" + b"}" * 65: "nested deeper",
    b"[" * 100_000: "nested deeper",
    b"\xef\xbb\xbf{}": "not valid JSON",
    b'{"a":"\xff"}': "not UTF-8",
    '{"a":1}'.encode("utf-16"): "not UTF-8",
    b'{"a":"\x01"}': "not valid JSON",
    b'{"a":"\\ud800"}': "half of a surrogate pair",
    b'{"a":["\\udE00\\uD83D"]}': "half of a surrogate pair",
    b'{"\\uDBFF":1}': "half of a surrogate pair",
}


@pytest.mark.parametrize(("raw", "reason"), REFUSED.items(), ids=lambda v: repr(v)[:30])
def test_what_is_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(InvalidContent) as caught:
        parse_object(raw, "the thing")
    assert str(caught.value).startswith("the thing ")
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"{}", {}),
        (b' {"a": [1, 2.5, null, true]} ', {"a": [1, 2.5, None, True]}),
        (b'{"a":9007199254740992}', {"a": 2**53}),
        (b'{"a":{"b":1},"c":{"b":1}}', {"a": {"b": 1}, "c": {"b": 1}}),
        (b'{"a":1,"A":2}', {"a": 1, "A": 2}),
        ('{"ä":"€"}'.encode(), {"ä": "€"}),
    ],
)
def test_what_is_read(raw: bytes, value: object) -> None:
    assert parse_object(raw, "it") == value


def test_the_deepest_that_is_read() -> None:
    assert parse_object(DEEP, "it")


def test_brackets_in_text_are_no_depth() -> None:
    text = '["' + "[{" * 500 + '\\"['
    assert parse_object(json.dumps({"a": text, "b": [[1]] * 100}).encode(), "it")["a"] == text


def test_an_unclosed_text_full_of_quotes_is_refused_in_linear_time() -> None:
    raw = b"[" * 65 + b'"' + b'\\"' * 1_000_000
    began = time.monotonic()
    with pytest.raises(InvalidContent):
        parse_object(raw, "it")
    assert time.monotonic() - began < 5  # quadratic would be hours


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert parse_object(b'{"a":"\\ud83d\\ude00"}', "it") == {"a": "\U0001f600"}


@pytest.mark.parametrize("content", ["x", "\\n", "\\\\"])
def test_long_texts_take_no_more_memory_than_their_length(content: str) -> None:
    nested = "[" * 40 + "]" * 40
    raw = f'{{"a":"{content * 500_000}","b":{nested},"c":{nested}}}'.encode()
    tracemalloc.start()
    try:
        parse_object(raw, "it")
        assert tracemalloc.get_traced_memory()[1] < 12 * len(raw)
    finally:
        tracemalloc.stop()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), JSON))
def test_ordinary_documents_are_read_as_they_are(document: dict[str, object]) -> None:
    assert parse_object(json.dumps(document).encode(), "it") == document


@given(st.binary(max_size=60))
def test_whatever_comes_is_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(InvalidContent):
        assert isinstance(parse_object(raw, "it"), dict)


@pytest.mark.parametrize("key", ["Layers", "LAYERS", "layerS", "layer\u017f"])
def test_known_keys_in_another_case(key: str) -> None:
    with pytest.raises(InvalidContent, match="must be 'layers'"):
        check_keys({key: []}, ["layers", "config"], "it")


def test_go_takes_the_kelvin_sign_for_a_k() -> None:
    with pytest.raises(InvalidContent, match="must be 'k'"):
        check_keys({"\u212a": 1}, ["k"], "it")


def test_other_keys_are_nobodys_business() -> None:
    check_keys({"layers": [], "Other": 1, "": 2}, ["layers"], "it")


def test_what_is_written_keeps_its_order_and_can_be_read_again() -> None:
    document = {"b": [1, "\u00e9"], "a": {}}
    assert to_json(document) == b'{"b":[1,"\\u00e9"],"a":{}}'
    assert parse_object(to_json(document), "it") == document

# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    AccessDenied,
    AuthenticationFailed,
    NotFound,
    RateLimited,
    RegistryError,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.problems import (
    problem_of,
    read_complaint,
)
from ansible_collections.imagesync.registry.plugins.module_utils.transport.text import (
    clean,
    mask,
    printable_url,
)
from ansible_collections.imagesync.registry.tests.unit.support import answer

HOST = "r.example"


def errors(*codes: str, message: Any = "no", **more: Any) -> dict[str, Any]:
    return {"errors": [{"code": code, "message": message, **more} for code in codes]}


def problem(status: int, body: Any = b"", secrets: Any = (), **headers: str) -> RegistryError:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return problem_of(answer(status, body, names), HOST, "reading a:1", secrets)


@pytest.mark.parametrize(
    ("status", "kind"),
    {
        400: RegistryError,
        401: AuthenticationFailed,
        403: AccessDenied,
        404: NotFound,
        405: RegistryError,
        429: RateLimited,
        500: RegistryError,
    }.items(),
)
def test_kinds(status: int, kind: type) -> None:
    found = problem(status, errors("SOME"))
    assert found.__class__ is kind
    assert (found.status, found.codes, found.host) == (status, ("SOME",), HOST)
    assert str(found).startswith(f"{HOST}: reading a:1 failed with {status}: SOME: no")


# reliability.md A3
TRANSIENT = [408, 425, 429, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524]
FINAL = [200, 301, 302, 307, 400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 416, 422, 501, 505]


@pytest.mark.parametrize("status", TRANSIENT)
def test_statuses_that_may_pass(status: int) -> None:
    assert problem(status).transient
    assert problem(status, errors("UNKNOWN")).transient
    assert problem(status, "<html>Bad Gateway</html>").transient


@pytest.mark.parametrize("status", FINAL)
def test_statuses_that_stay(status: int) -> None:
    assert not problem(status).transient
    assert not problem(status, errors("UNKNOWN")).transient


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize(
    "code",
    [
        "MANIFEST_BLOB_UNKNOWN",
        "MANIFEST_INVALID",
        "MANIFEST_UNKNOWN",
        "NAME_INVALID",
        "NAME_UNKNOWN",
        "DIGEST_INVALID",
        "TAG_INVALID",
        "SIZE_INVALID",
        "DENIED",
        "UNSUPPORTED",
        "UNAUTHORIZED",
    ],
)
def test_codes_that_stay_whatever_the_status(status: int, code: str) -> None:
    assert not problem(status, errors("UNKNOWN", "UNKNOWN", code)).transient


@pytest.mark.parametrize("code", ["TOOMANYREQUESTS", "UNKNOWN", "BLOB_UPLOAD_INVALID", ""])
def test_codes_that_may_pass(code: str) -> None:
    assert problem(503, errors(code)).transient


@pytest.mark.parametrize(
    ("after", "seconds", "transient"),
    [("", None, False), ("3600", 3600, False), ("61", 61, False), ("5", 5, True)],
)
def test_a_used_up_pull_limit(after: str, seconds: float | None, transient: bool) -> None:
    body = errors("TOOMANYREQUESTS", message="You have reached your pull rate limit.")
    found = problem(429, body, Retry_After=after)
    assert (found.transient, found.retry_after) == (transient, seconds)
    assert f"the pull limit of {HOST} is used up" in str(found)
    assert "registries" in str(found)


def test_retry_after_is_read() -> None:
    assert problem(503, Retry_After="1.5ms").retry_after == pytest.approx(0.0015)
    assert problem(503, Retry_After="soon").retry_after is None
    assert problem(503).retry_after is None


@pytest.mark.parametrize(
    ("status", "advice"),
    {
        403: "check the credentials",
        413: "limits the size of uploads",
        302: "a write was redirected",
    }.items(),
)
def test_advice(status: int, advice: str) -> None:
    assert advice in str(problem(status))


def test_advice_for_401_depends_on_whether_there_is_a_login() -> None:
    assert "needs a login" in str(problem(401, secrets=()))
    assert "check the credentials" in str(problem(401, secrets=("x",)))


@pytest.mark.parametrize(
    ("body", "codes", "text"),
    [
        (errors("DENIED"), ("DENIED",), "DENIED: no"),
        (errors("A", "A"), ("A", "A"), "A: no"),
        (errors("A", "B"), ("A", "B"), "A: no; B: no"),
        (errors("A", detail={"x": 1}), ("A",), 'A: no ({"x": 1})'),
        (errors("A", detail="more"), ("A",), "A: no (more)"),
        (errors("A", detail="no"), ("A",), "A: no"),
        (errors("A", detail=[]), ("A",), "A: no"),
        ({"errors": [{"code": "A"}]}, ("A",), "A"),
        ({"errors": [{"message": "only"}]}, ("",), "only"),
        ({"errors": [{"code": 5, "message": ["x"]}]}, ("5",), '5: ["x"]'),
        ({"errors": [None, "text", {"code": "A"}]}, ("A",), "A"),
        ({"errors": None}, (), '{"errors": null}'),
        ({"errors": []}, (), ""),
        ({"details": "no errors here"}, (), '{"details": "no errors here"}'),
        ("404 page not found\n", (), "404 page not found"),
        ("<html><h1>Not Found</h1></html>", (), ""),
        ("  <!DOCTYPE html>", (), ""),
        (
            "<html>400 The plain HTTP request was sent to HTTPS port</html>",
            (),
            "plain HTTP was sent to HTTPS; see plain_http in registries",
        ),
        ("", (), ""),
        (b"\xff\xfe\x00", (), "\ufffd\ufffd"),
        ("red \x1b[31m and \u202ereversed\r\nlines", (), "red  [31m and  reversed lines"),
        ("[" * 50_000, (), "[" * 199 + "…"),
        ("x" * 500, (), "x" * 199 + "…"),
        (b"y" * (1 << 20), (), ""),
    ],
    ids=lambda v: repr(v)[:40],
)
def test_what_the_body_says(body: Any, codes: tuple[str, ...], text: str) -> None:
    found = read_complaint(answer(400, body))
    assert found.codes == codes
    assert found.text == text


def test_many_errors_are_cut() -> None:
    found = read_complaint(answer(400, errors(*"ABCDEFGH", message="m" * 1000)))
    assert found.codes == tuple("ABCDE")
    assert len(found.text) < 5 * 250


def test_a_body_without_words_is_told_by_its_status() -> None:
    assert "failed with 503: Service Unavailable" in str(problem(503, "<html>"))
    assert "failed with 599: no explanation" in str(problem(599))


@pytest.mark.parametrize("secret", ["s3cret", 'with "quotes" and \\', "p\u00e4ss", "x" * 150])
@pytest.mark.parametrize("before", [0, 100, 195])
def test_secrets_are_masked_wherever_they_stand(secret: str, before: int) -> None:
    echo = "b" * before + secret + " after"
    for body in (
        errors("UNKNOWN", message=echo),
        errors("UNKNOWN", detail=echo),
        errors("UNKNOWN", detail={"you sent": [echo]}),
        errors("UNKNOWN", message={"you sent": [echo]}),
        {"errors": [{"code": echo}]},
        {"errors": [{"code": {"you sent": [echo]}}]},
        {"you sent": [echo]},
        echo,
    ):
        found = problem(400, body, (secret, "other"))
        text = f"{found} {found.codes}"
        shown = (secret, secret[: len(secret) // 2], json.dumps(secret)[1:-1])
        assert not any(part in text for part in shown), text


def test_what_was_sent_is_masked() -> None:
    sent = answer(400, errors("UNKNOWN", message="got Basic dTpwdw== from you"))
    sent.authorization = "Basic dTpwdw=="
    assert "dTpwdw" not in str(problem_of(sent, HOST, "asking"))


@given(
    st.integers(200, 599),
    st.binary(max_size=60) | st.text(max_size=60).map(lambda text: json.dumps({"errors": text})),
)
def test_whatever_is_said_makes_one_line(status: int, body: Any) -> None:
    found = problem(status, body)
    assert "\n" not in str(found)
    assert "\x1b" not in str(found)


# text


@given(st.text(max_size=400), st.integers(1, 300))
def test_clean_text_is_short_and_without_controls(text: str, limit: int) -> None:
    found = clean(text, limit)
    assert len(found) <= limit
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u200b\ufeff" for c in found)
    found.encode()  # no lone surrogates


def test_plain_text_stays() -> None:
    assert clean("Grüße, 世界 🐳") == "Grüße, 世界 🐳"
    assert clean("a\ud800b") == "a b"


def test_mask_leaves_empty_secrets_alone() -> None:
    assert mask("abc", ("", "b")) == "a********c"


@pytest.mark.parametrize(
    ("url", "shown"),
    {
        "https://user:pw@cdn.example/a/b?X-Amz-Signature=1#x": "https://cdn.example/a/b",
        "https://cdn.example:8443": "https://cdn.example:8443",
        "https://[::1]:5000/x": "https://[::1]:5000/x",
        "https://cdn.example/\x1b[31m": "https://cdn.example/ [31m",
    }.items(),
)
def test_printable_urls_have_no_secrets(url: str, shown: str) -> None:
    assert printable_url(url) == shown


def test_plain_http_to_a_port_with_tls_that_cannot_say_so() -> None:
    """An answer to HEAD has no body, whatever the server would say in it."""
    asked = "looking for app:1"
    plain = str(problem_of(answer(400, url="http://localhost/v2/"), HOST, asked))
    assert plain.endswith("; if it speaks TLS, set plain_http: false for r.example in registries")
    secure = str(problem_of(answer(400, url="https://localhost/v2/"), HOST, asked))
    said = str(problem_of(answer(400, "no such thing", url="http://localhost/v2/"), HOST, asked))
    written = str(problem_of(answer(400, url="http://localhost/v2/"), HOST, "writing app:1"))
    assert "plain_http" not in secure + said + written

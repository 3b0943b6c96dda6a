# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS: whom we trust, what we show, and that there is never a way around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import images, push
from tests.support.asking import ask, refusal
from tests.support.certificates import Certificates, make_certificates
from tests.support.playbook import run_tasks
from tests.support.proxy import RecordingProxy
from tests.support.registries import DockerRegistry
from tests.support.strict_registry import MakeStrict
from tests.support.sync import sync
from tests.support.token_server import TokenServer

IMAGE = images.image("tls")


@dataclass
class Secured:
    """One registry for each way in which TLS is set up there."""

    certificates: Certificates
    good: DockerRegistry
    expired: DockerRegistry
    other_host: DockerRegistry
    client: DockerRegistry


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """They run for the whole module; each but the last two has the image team/app:1."""
    made = make_certificates(tmp_path_factory.mktemp("certificates"))
    with (
        DockerRegistry(tls=made) as good,
        DockerRegistry(tls=made, identity=made.expired) as expired,
        DockerRegistry(tls=made, identity=made.other_host) as other_host,
        DockerRegistry(tls=made, client_ca=True) as client,
    ):
        push.push(IMAGE, f"{good.host}/team/app:1", verify=made.ca)
        cert = (made.client.cert, made.client.key)
        push.push(IMAGE, f"{client.host}/team/app:1", verify=made.ca, cert=cert)
        yield Secured(made, good, expired, other_host, client)


@pytest.fixture(autouse=True)
def no_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the environment's."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


def entry(host: str, **options: Any) -> list[dict[str, Any]]:
    """How the registry is reached; loopback would be plain HTTP."""
    given = {name: str(v) if isinstance(v, Path) else v for name, v in options.items()}
    return [{"name": host, "plain_http": False, **given}]


def test_an_own_authority(secured: Secured) -> None:
    """As ``ca_path``, for everything that an image takes, writing included."""
    registries = entry(secured.good.host, ca_path=secured.certificates.ca)
    found = ask(f"{secured.good.host}/team/app:1", registries=registries)
    assert found["images"][0]["digest"] == IMAGE.digest
    done = sync(
        source=f"{secured.good.host}/team/app:1",
        destination=f"{secured.good.host}/mirror/app:1",
        registries=registries,
    )
    assert (done["reason"], done["digest"]) == ("absent", IMAGE.digest)
    ca = secured.certificates.ca
    assert push.digest_of(secured.good.host, "mirror/app", "1", verify=ca) == IMAGE.digest


def test_a_directory_of_authorities(secured: Secured, tmp_path: Path) -> None:
    """By the names that people give them, and by those that OpenSSL gives them."""
    host = secured.good.host
    (tmp_path / "company.crt").write_bytes(secured.certificates.other_ca.read_bytes())
    registries = entry(host, ca_path=tmp_path)
    assert "known authority" in refusal(f"{host}/team/app:1", registries=registries)
    (tmp_path / "registry.pem").write_bytes(secured.certificates.ca.read_bytes())
    assert ask(f"{host}/team/app:1", registries=registries)["images"][0]["exists"]


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_environments_authorities(
    variable: str, secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Used where ``ca_path`` says nothing, and not beside it."""
    host = secured.good.host
    monkeypatch.setenv(variable, str(secured.certificates.ca))
    assert ask(f"{host}/team/app:1", registries=entry(host))["images"][0]["exists"]
    registries = entry(host, ca_path=secured.certificates.other_ca)
    assert "known authority" in refusal(f"{host}/team/app:1", registries=registries)


def test_certificates_that_are_refused(secured: Secured) -> None:
    """Each in one sentence with the host and the problem, at once, however many retries."""
    made = secured.certificates
    localhost = f"localhost:{secured.other_host.port}"
    cases = (
        (secured.good.host, {}, "isn't signed by a known authority"),
        (secured.good.host, {"ca_path": made.other_ca}, "isn't signed by a known authority"),
        (secured.expired.host, {"ca_path": made.ca}, "has expired"),
        (secured.other_host.host, {"ca_path": made.ca}, "for another"),
        (localhost, {"ca_path": made.ca}, "for another host name"),
    )
    for host, options, problem in cases:
        message = refusal(f"{host}/team/app:1", registries=entry(host, **options), retries=3)
        assert f"TLS with {host} failed" in message
        assert problem in message
        assert "tried" not in message


def test_files_that_are_no_certificates(secured: Secured, tmp_path: Path) -> None:
    """Told by option, with what is wrong about them."""
    host, made = secured.client.host, secured.certificates
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense", encoding="utf-8")
    both = {"ca_path": made.ca, "client_cert": made.client.cert}
    cases = (
        ({"ca_path": nonsense}, "ca_path"),
        ({"ca_path": made.ca, "client_cert": nonsense}, "client_cert"),
        (both, "client_key"),
        ({**both, "client_key": made.other_client.key}, "client_key"),
        ({"ca_path": tmp_path / "missing.pem"}, str(tmp_path / "missing.pem")),
        ({**both, "client_key": tmp_path / "no.key"}, str(tmp_path / "no.key")),
    )
    for options, sign in cases:
        message = refusal(f"{host}/team/app:1", registries=entry(host, **options))
        assert host in message
        assert sign in message


def test_a_client_certificate(secured: Secured, tmp_path: Path) -> None:
    """With its key beside it or in the same file."""
    host, made = secured.client.host, secured.certificates
    joint = tmp_path / "joint.pem"
    joint.write_bytes(made.client.cert.read_bytes() + made.client.key.read_bytes())
    two = {"client_cert": made.client.cert, "client_key": made.client.key}
    for options in (two, {"client_cert": joint}):
        registries = entry(host, ca_path=made.ca, **options)
        found = ask(f"{host}/team/app:1", registries=registries)
        assert found["images"][0]["digest"] == IMAGE.digest


def test_a_client_certificate_that_is_missing_or_wrong(secured: Secured) -> None:
    """The sentence names the option, although servers only close the connection."""
    host, made = secured.client.host, secured.certificates
    wrong = {"client_cert": made.other_client.cert, "client_key": made.other_client.key}
    for options in ({}, wrong):
        registries = entry(host, ca_path=made.ca, **options)
        message = refusal(f"{host}/team/app:1", registries=registries)
        assert host in message
        assert "client_cert" in message


def test_a_client_certificate_is_for_its_registry_only(secured: Secured) -> None:
    """Nor are authority and trust of one registry those of another."""
    made = secured.certificates
    registries = [
        *entry(
            secured.client.host,
            ca_path=made.ca,
            client_cert=made.client.cert,
            client_key=made.client.key,
        ),
        *entry(secured.good.host),
    ]
    done = sync(
        source=f"{secured.client.host}/team/app:1",
        destination=f"{secured.good.host}/mirror/other:1",
        registries=registries,
        retries=0,
    )
    assert done["failed"]
    assert f"TLS with {secured.good.host} failed" in done["msg"]
    assert "known authority" in done["msg"]


def test_unchecked_for_one_registry_only(secured: Secured) -> None:
    """``validate_certs: false`` holds for its entry, with a warning that names it."""
    loose, strict = secured.expired, secured.good
    push.push(IMAGE, f"{strict.host}/unchecked/app:1", verify=secured.certificates.ca)
    registries = [*entry(loose.host, validate_certs=False), *entry(strict.host)]
    tasks = [
        {
            "imagesync.registry.image_sync": {
                "source": f"{strict.host}/unchecked/app:1",
                "destination": f"{loose.host}/unchecked/app:1",
                "registries": registries,
            }
        },
        {
            "imagesync.registry.image_info": {
                "images": [f"{loose.host}/unchecked/app:1"],
                "registries": registries,
            }
        },
    ]
    run = run_tasks(tasks)
    assert run[0]["failed"]
    assert f"TLS with {strict.host} failed" in run[0]["msg"]
    assert not run[1]["failed"]
    assert run[1]["images"][0]["exists"] is False
    for result in run.results:
        assert len(result["warnings"]) == 1
        assert f"certificate of {loose.host} isn't checked" in result["warnings"][0]
    assert "InsecureRequestWarning" not in run.output


def test_a_token_server_has_its_own_settings(
    secured: Secured, make_strict: MakeStrict, token_server: TokenServer
) -> None:
    """What an entry allows its registry, it doesn't allow the hosts that this one names."""
    made = secured.certificates
    strict = make_strict(token=token_server)
    strict.add("team/app", IMAGE, "1")
    with (
        RecordingProxy(strict.url, tls=made) as front,
        RecordingProxy(token_server.url, tls=made) as realm,
    ):
        token_server.realm = f"{realm.url}/token"
        login = {"username": "alice", "password": "canary-realm"}
        for options in ({"ca_path": made.ca}, {"validate_certs": False}):
            registries = entry(front.host, **login, **options)
            message = refusal(f"{front.host}/team/app:1", registries=registries, retries=2)
            assert f"TLS with {realm.host} failed" in message
            assert "known authority" in message
        assert front.requests
        assert realm.requests == []
        registries += entry(realm.host, ca_path=made.ca)
        token_server.users = {"alice": "canary-realm"}
        found = ask(f"{front.host}/team/app:1", registries=registries)
        assert found["images"][0]["digest"] == IMAGE.digest
        assert realm.requests


def test_plain_http_where_tls_is_spoken(secured: Secured) -> None:
    """Told as what it is; no certificate is shown for nothing."""
    host = secured.good.host
    message = refusal(f"{host}/team/app:1", registries=[{"name": host, "plain_http": True}])
    assert host in message
    assert "HTTPS" in message
    # loopback alone is plain without being told
    assert "HTTPS" in refusal(f"{host}/team/app:1")


def test_no_fallback_to_plain_http(source_registry: DockerRegistry) -> None:
    """Where HTTPS is meant and plain HTTP is spoken, no request is sent."""
    with RecordingProxy(source_registry.url) as proxy:
        for validate in (True, False):
            registries = entry(proxy.host, validate_certs=validate)
            message = refusal(f"{proxy.host}/team/app:1", registries=registries, retries=2)
            assert f"TLS with {proxy.host} failed" in message
            assert "plain_http" in message
        assert proxy.requests == []
        # the same place answers when it is meant to be plain
        assert not ask(f"{proxy.host}/tls/none:1")["images"][0]["exists"]
        assert proxy.requests


def test_no_way_around_a_certificate(secured: Secured, source_registry: DockerRegistry) -> None:
    """A registry whose certificate is refused gets no request, not even without a password."""
    with RecordingProxy(source_registry.url, tls=secured.certificates) as proxy:
        login = {"username": "alice", "password": "canary-tls"}
        for options in ({}, {"ca_path": secured.certificates.other_ca}):
            registries = entry(proxy.host, **login, **options)
            refusal(f"{proxy.host}/team/app:1", registries=registries, retries=2)
        assert proxy.requests == []
        registries = entry(proxy.host, ca_path=secured.certificates.ca)
        assert not ask(f"{proxy.host}/tls/none:1", registries=registries)["images"][0]["exists"]
        assert proxy.requests


def test_no_redirect_from_https_to_http(secured: Secured, sides: Any) -> None:
    """Neither for content nor for an upload."""
    other = sides.source.proxy
    sides.source.push(IMAGE)
    with RecordingProxy(sides.destination.proxy.url, tls=secured.certificates) as proxy:
        registries = entry(proxy.host, ca_path=secured.certificates.ca)
        location = {"Location": f"{other.url}/v2/team/app/manifests/1"}
        fault = proxy.inject("GET .*/team/app/", "status", 307, headers=location)
        message = refusal(f"{proxy.host}/team/app:1", registries=registries)
        assert "isn't encrypted" in message
        assert proxy.host in message
        assert fault.hits == 1
        assert other.requests == []
        elsewhere = {"Location": f"{sides.destination.proxy.url}/upload/1", "Content-Length": "0"}
        upload = proxy.inject("POST .*uploads", "status", 202, times=-1, headers=elsewhere)
        done = sync(
            source=sides.source.ref(),
            destination=f"{proxy.host}/mirror/app:1",
            registries=registries,
            retries=0,
        )
        assert done["failed"]
        assert "isn't encrypted" in done["msg"]
        assert upload.hits > 0
        assert not [r for r in sides.destination.proxy.requests if r.path == "/upload/1"]

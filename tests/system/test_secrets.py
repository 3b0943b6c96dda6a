# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A password as canary: it is shown to its registry, and nowhere else is it ever seen."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support import images, registries
from tests.support.amazon import AmazonCloud
from tests.support.asking import basic, refusal, templated
from tests.support.clouds import GoogleCloud
from tests.support.content import Image
from tests.support.credential_helpers import Helper
from tests.support.faults import ALWAYS
from tests.support.forward_proxy import ForwardProxy
from tests.support.playbook import Run, run_tasks
from tests.support.proxy import MakeProxy, RecordingProxy
from tests.support.registries import PASSWORD, DockerRegistry, MakeRegistry
from tests.support.strict_registry import StrictRegistry
from tests.support.token_server import TokenServer

SYNC = "imagesync.registry.image_sync"
INFO = "imagesync.registry.image_info"
LOOKUP = "imagesync.registry.image_digest"
USER = "keeper"
CANARY = 'canary-P4ss/w0rd+"é'
IDENTITY = "canary-identity-token-0123"
BEARER = "canary-bearer-token-4567"
LOUD = ("-vvvvv", "--diff")


def forms(secret: str) -> set[str]:
    """The secret in every form in which text may hold it."""
    login = f"{USER}:{secret}"
    found = {secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1]}
    found |= {json.dumps(json.dumps(secret)[1:-1])[1:-1], repr(secret)[1:-1]}
    return found | {base64.b64encode(text.encode()).decode() for text in (secret, login)}


@dataclass
class Guarded:
    """A registry that takes the canary alone, beside one that takes everybody."""

    strict: StrictRegistry
    front: RecordingProxy
    other: RecordingProxy
    image: Image
    secrets: list[str] = field(default_factory=lambda: [CANARY])

    @property
    def host(self) -> str:
        """The guarded one."""
        return self.front.host

    def login(self, **login: str) -> list[dict[str, Any]]:
        """The option ``registries``; both have entries, one a login."""
        given = login or {"username": USER, "password": CANARY}
        return [{"name": self.host, **given}, {"name": self.other.host}]

    def copy(self, name: str, **options: Any) -> dict[str, Any]:
        """A task that copies from the guarded one to the other."""
        both = {"source": f"{self.host}/team/app:1", "destination": f"{self.other.host}/{name}"}
        return {SYNC: {**both, "retries": 0, **options}}

    def check(self, run: Run, authorization: str, elsewhere: tuple[Any, ...] = ()) -> None:
        """The canary is nowhere but in the requests to its registry, and there in its place."""
        assert "Traceback" not in run.output
        told = [run.output, json.dumps(run.results), json.dumps(run.results, ensure_ascii=False)]
        for secret in self.secrets:
            for form in forms(secret):
                assert [_around(form, text) for text in told if form in text] == []
                assert not self.other.saw(form)
                assert not [server for server in elsewhere if server.saw(form)]
        for request in self.front.requests:
            shown = [value for name, value in request.headers if name.lower() != "authorization"]
            for form in set().union(*map(forms, self.secrets)):
                assert form not in request.target
                assert not [value for value in shown if form in value]
        logins = {r.header("Authorization") for r in self.front.with_header("Authorization")}
        assert logins == {authorization}


def _around(form: str, text: str) -> str:
    """The place where the secret was found."""
    start = text.index(form)
    return text[max(0, start - 200) : start + len(form) + 40]


@pytest.fixture
def guarded(source_registry: DockerRegistry) -> Iterator[Guarded]:
    """New ones, with an image at team/app:1."""
    image = images.image("guarded")
    with (
        StrictRegistry(auth=(USER, CANARY), relative_location=True) as strict,
        RecordingProxy(strict.url) as front,
        RecordingProxy(source_registry.url) as other,
    ):
        strict.add("team/app", image, "1")
        yield Guarded(strict, front, other, image)


def work(guarded: Guarded, name: str, **options: Any) -> list[dict[str, Any]]:
    """What every module does when all is well."""
    back = {"source": f"{guarded.other.host}/{name}:1", "destination": f"{guarded.host}/{name}:2"}
    return [
        guarded.copy(name, **options),
        guarded.copy(f"{name}/check", **options) | {"check_mode": True},
        {SYNC: {**back, **options}},
        {INFO: {"images": [f"{guarded.host}/team/app:1"], "referrers": True, **options}},
        {SYNC: {"destination": f"{guarded.host}/{name}:2", "state": "absent", **options}},
    ]


def trouble(guarded: Guarded, name: str, **options: Any) -> list[dict[str, Any]]:
    """What goes wrong, in many ways, some of them with the registry repeating the canary."""
    echo = json.dumps({"errors": [{"code": "DENIED", "message": f"no, {CANARY}!"}]}).encode()
    headers = {"Content-Type": "application/json", "Warning": f'299 - "{CANARY}"'}
    for match, action, arg in (
        ("manifests/denied", "status", 403),
        ("manifests/broken", "status", 500),
        ("manifests/cut", "rst_after", 0),
    ):
        guarded.front.inject(match, action, arg, times=-1, headers=headers, body=echo)
    place = f"https://{USER}:{quote(CANARY, safe='')}@{guarded.host}/?password={quote(CANARY)}"
    guarded.front.inject("manifests/moved", "status", 307, times=-1, headers={"Location": place})
    tags = ("denied", "broken", "cut", "moved", "gone")
    entries = [
        {"source": f"{guarded.host}/team/app:{tag}", "destination": f"{guarded.other.host}/{name}"}
        for tag in tags
    ]
    return [
        {SYNC: {"images": entries, "retries": 0, **options}},
        *(
            {INFO: {"images": [f"{guarded.host}/team/app:{tag}"], "retries": 0, **options}}
            for tag in tags[:4]
        ),
    ]


def test_through_options(guarded: Guarded) -> None:
    """Modules, well and not, as loud as it gets; a misspelt option and a wrong type too."""
    options = {"registries": guarded.login()}
    wrong = [{"name": guarded.host, "username": USER, "password": CANARY, "plain_http": "perhaps"}]
    odd = [{"name": guarded.host, "username": USER, "password": CANARY, "pasword": "x"}]
    half = [{"name": guarded.host, "password": CANARY}]
    tasks = [
        *work(guarded, "secrets/options", **options),
        *trouble(guarded, "secrets/options", **options),
        guarded.copy("secrets/x", registries=wrong),
        guarded.copy("secrets/x", registries=odd),
        guarded.copy("secrets/x", registries=half),
        guarded.copy("secrets/x", **options, concurrency="lots"),
    ]
    run = run_tasks(tasks, *LOUD)
    failed = [result["failed"] for result in run.results]
    assert failed == [False] * 5 + [True] * 9
    assert run[0]["credentials"][guarded.host] == "options"
    assert guarded.strict.tag("secrets/options", "2") is None
    guarded.check(run, basic(USER, CANARY))


@pytest.mark.parametrize("where", ["option", "environment"])
def test_through_an_auth_file(where: str, guarded: Guarded, tmp_path: Path) -> None:
    """Ansible knows nothing of it, and so can't mask it: we must not say it."""
    login = base64.b64encode(f"{USER}:{CANARY}".encode()).decode()
    path = tmp_path / "auth.json"
    path.write_text(json.dumps({"auths": {guarded.host: {"auth": login}}}), encoding="utf-8")
    options = {"auth_file": str(path)} if where == "option" else {}
    environment = {} if options else {"REGISTRY_AUTH_FILE": str(path)}
    name = f"secrets/{where}"
    tasks = [*work(guarded, name, **options), *trouble(guarded, name, **options)]
    tasks.append(_shown(f"query('{LOOKUP}', '{guarded.host}/team/app:1')", options))
    tasks.append(_shown(f"query('{LOOKUP}', '{guarded.host}/team/app:denied')", options))
    run = run_tasks(tasks, *LOUD, environment=environment)
    failed = [result["failed"] for result in run.results]
    assert failed == [False] * 5 + [True] * 5 + [False, True]
    kind = "auth_file" if where == "option" else "REGISTRY_AUTH_FILE"
    assert run[0]["credentials"][guarded.host] == kind
    guarded.check(run, basic(USER, CANARY))


def test_through_programs_and_clouds(guarded: Guarded, tmp_path: Path) -> None:
    """What helpers and the clouds' libraries give, Ansible can't mask; nor is it logged."""
    program = tmp_path / "login.json"
    program.write_text(json.dumps({"Username": USER, "Secret": CANARY}), encoding="utf-8")
    good = Helper(tmp_path / "bin", "keeper", f"cat {program}; cat {program} >&2")
    bad = Helper(tmp_path / "bin", "broken", f"cat {program}; cat {program} >&2; exit 1")
    trouble(guarded, "unused")
    helper = {"registries": [{"name": guarded.host, "helper": "keeper"}], "retries": 0}
    broken = {"registries": [{"name": guarded.host, "helper": "broken"}]}
    denied = [f"{guarded.host}/team/app:{tag}" for tag in ("1", "denied")]
    with (
        GoogleCloud() as google,
        AmazonCloud() as amazon,
        StrictRegistry(auth=("oauth2accesstoken", "canary-google-1")) as artifacts,
        StrictRegistry(auth=("AWS", "canary-amazon-1")) as ecr,
    ):
        google.prefix, amazon.prefix = "canary-google-", "canary-amazon-"
        places = {artifacts: "google", ecr: "ecr"}
        for registry in places:
            registry.add("team/app", guarded.image, "1")
        clouds = {"registries": [{"name": r.host, "auth": auth} for r, auth in places.items()]}
        run = run_tasks(
            [
                guarded.copy("secrets/helper", **helper),
                {INFO: {"images": denied, "concurrency": 1, **helper}},
                guarded.copy("secrets/broken", **broken),
                _shown(f"query('{LOOKUP}', '{guarded.host}/team/app:1')", {}),
                {INFO: {"images": [f"{r.host}/team/app:1" for r in places], **clouds}},
            ],
            *LOUD,
            variables={
                "program": "keeper",
                "imagesync_registries": [{"name": guarded.host, "helper": templated("program")}],
            },
            environment={
                **good.environment,
                **google.environment,
                **amazon.environment,
                "AWS_REGION": "eu-west-3",
                "GOOGLE_SDK_PYTHON_LOGGING_SCOPE": "google",
                "ANSIBLE_LOG_PATH": str(tmp_path / "ansible.log"),
                "ANSIBLE_LOG_VERBOSITY": "5",
            },
        )
        assert [result["failed"] for result in run.results] == [False, True, True, False, False]
        assert run[0]["credentials"][guarded.host] == "helper"
        assert run[3]["msg"] == [guarded.image.digest]
        assert run[4]["credentials"] == {r.host: auth for r, auth in places.items()}
        assert (google.given, amazon.given) == (["canary-google-1"], ["canary-amazon-1"])
        assert not guarded.other.saw("canary")
    assert (len(good.calls), len(bad.calls)) == (3, 1)
    assert "docker-credential-broken failed with exit status 1" in run[2]["msg"]
    guarded.secrets += ["canary-google-1", "canary-amazon-1", "secret-access-key-of-the-tests"]
    run.output += (tmp_path / "ansible.log").read_text(encoding="utf-8")
    guarded.check(run, basic(USER, CANARY))


def _shown(expression: str, options: dict[str, str]) -> dict[str, Any]:
    """A task with a lookup; its auth file comes by variable."""
    variables = {"imagesync_auth_file": path} if (path := options.get("auth_file")) else {}
    return {"ansible.builtin.debug": {"msg": templated(expression)}, "vars": variables}


def test_through_a_lookup(guarded: Guarded) -> None:
    """From the environment, where no task can show it."""
    trouble(guarded, "unused")
    environment = {"IMAGESYNC_REGISTRIES": json.dumps(guarded.login())}
    tags = ("1", "denied", "broken", "cut", "moved", "gone")
    query = f"query('{LOOKUP}', '{guarded.host}/team/app:TAG', retries=0)"
    tasks = [_shown(query.replace("TAG", tag), {}) for tag in tags]
    run = run_tasks(tasks, *LOUD, environment=environment)
    assert [result["failed"] for result in run.results] == [False] + [True] * 5
    assert run[0]["msg"] == [guarded.image.digest]
    guarded.check(run, basic(USER, CANARY))


def test_a_wrong_one(guarded: Guarded) -> None:
    """Refused, it is as secret as before."""
    guarded.strict.rules.auth = (USER, "another")
    run = run_tasks([guarded.copy("secrets/wrong", registries=guarded.login())], *LOUD)
    assert run.last["failed"]
    assert "refused the login" in run.last["msg"]
    guarded.check(run, basic(USER, CANARY))
    assert len(guarded.front.with_header("Authorization")) == 1


def test_a_bearer_token(guarded: Guarded) -> None:
    """Given as ``token``: good, and then not."""
    guarded.strict.rules.auth, guarded.strict.rules.bearer = None, BEARER
    guarded.secrets.append(BEARER)
    options = {"registries": guarded.login(token=BEARER)}
    echo = BEARER.encode()
    guarded.front.inject("manifests/denied", "status", 401, times=-1, body=echo)
    denied = {INFO: {"images": [f"{guarded.host}/team/app:denied"], **options}}
    run = run_tasks([*work(guarded, "secrets/bearer", **options), denied], *LOUD)
    assert [result["failed"] for result in run.results] == [False] * 5 + [True]
    guarded.check(run, f"Bearer {BEARER}")


def test_a_token_server(guarded: Guarded) -> None:
    """It gets the password or the identity token; the registry gets what it gives for them."""
    with TokenServer(users={USER: CANARY}) as server, RecordingProxy(server.url) as realm:
        server.realm = f"{realm.url}/token"
        guarded.strict.rules.auth, guarded.strict.rules.token = None, server
        server.identity_tokens[IDENTITY] = USER
        guarded.secrets.append(IDENTITY)
        tasks = [
            guarded.copy("secrets/password", registries=guarded.login()),
            guarded.copy("secrets/identity", registries=guarded.login(identity_token=IDENTITY)),
        ]
        run = run_tasks(tasks, *LOUD)
        assert [result["failed"] for result in run.results] == [False, False]
        given = {f"Bearer {token}" for token in server.grants}
        shown = {r.header("Authorization") for r in guarded.front.with_header("Authorization")}
        assert shown <= given
        for token in server.grants:
            assert token not in run.output
            assert not guarded.other.saw(token)
        asked = [request.header("Authorization") for request in realm.requests]
        assert asked == [basic(USER, CANARY), None]
        assert [request.method for request in server.token_requests] == ["GET", "POST"]
        assert not realm.saw(IDENTITY)
        told = run.output + json.dumps(run.results)
        for form in forms(CANARY) | forms(IDENTITY):
            assert form not in told
            assert not guarded.front.saw(form) + guarded.other.saw(form)


def test_a_token_server_that_repeats_what_it_was_sent(guarded: Guarded, tmp_path: Path) -> None:
    """Its errors are passed on without that, also where Ansible couldn't mask it."""
    logins = {
        CANARY: {"username": USER, "password": CANARY},
        IDENTITY: {"identity_token": IDENTITY},
    }
    with TokenServer(users={USER: CANARY}) as server, RecordingProxy(server.url) as realm:
        server.realm = f"{realm.url}/token"
        guarded.strict.rules.auth, guarded.strict.rules.token = None, server
        for secret, login in logins.items():
            echo = f"you said {secret} and {basic(USER, CANARY)}, didn't you".encode()
            fault = realm.inject("/token", "status", 403, body=echo)
            message = refusal(f"{guarded.host}/team/app:1", registries=guarded.login(**login))
            assert fault.hits == 1
            assert "you said" in message
            assert not [form for form in forms(secret) if form in message]


def test_content_elsewhere(guarded: Guarded) -> None:
    """Blobs that the registry has at another server come without the login."""
    with StrictRegistry() as storage:
        storage.add("team/app", guarded.image, "1")
        guarded.strict.rules.redirect_blobs_to = storage.url
        run = run_tasks([guarded.copy("secrets/away", registries=guarded.login())], *LOUD)
        assert run.last["reason"] == "absent"
        assert run.last["digest"] == guarded.image.digest
        assert storage.count("GET", "blob") == len(guarded.image.blobs)
        assert storage.with_header("Authorization") == []
        guarded.check(run, basic(USER, CANARY), (storage,))


PROXY_CANARY = "canary-Pr0xy/w%rd"


def test_through_proxies_and_a_mirror(guarded: Guarded) -> None:
    """A proxy's password is for the proxy, whether an entry or the environment gives it.

    The registry's is for the registry, and a mirror gets neither.
    """
    processes: list[str] = []
    login = (USER, PROXY_CANARY)
    with (
        StrictRegistry() as mirror,
        ForwardProxy({"guarded.test": guarded.host}, login) as proxy,
        ForwardProxy({"public.test": guarded.other.host}, login) as usual,
        ForwardProxy(login=(USER, "another")) as strange,
    ):
        mirror.add("team/app", guarded.image, "1")
        guarded.front.inject("manifests/1", "pass", call=lambda: processes.extend(_processes()))

        def task(own: ForwardProxy) -> dict[str, Any]:
            here: dict[str, Any] = {"name": "guarded.test", "username": USER, "password": CANARY}
            here |= {"plain_http": True, "mirrors": [mirror.host], "proxy": _with_login(own)}
            there = {"name": "public.test", "plain_http": True}
            both = {"source": "guarded.test/team/app:1", "destination": "public.test/secrets/proxy"}
            return {SYNC: {**both, "registries": [here, there], "retries": 0}}

        environment = {"HTTP_PROXY": _with_login(usual)}
        run = run_tasks([task(proxy), task(strange)], *LOUD, environment=environment)
        assert [result["failed"] for result in run.results] == [False, True]
        assert run[0]["digest"] == guarded.image.digest
        assert f"the proxy {strange.host} wants another login" in run[1]["msg"]
        assert (proxy.reached(), usual.reached()) == (["guarded.test"], ["public.test"])
        for server in (proxy, usual):
            shown = {r.header("Proxy-Authorization") for r in server.requests}
            assert shown == {basic(*login)}
        # one that repeats it, in what it says
        proxy.answer, proxy.reason = 502, f"no {PROXY_CANARY} {quote(PROXY_CANARY, safe='')}"
        loud = {"name": "guarded.test", "proxy": _with_login(proxy)}
        message = refusal("guarded.test/team/app:1", registries=[loud])
    assert f"the proxy {proxy.host} refused to lead to guarded.test (502: no ***" in message
    guarded.secrets.append(PROXY_CANARY)
    assert not [form for form in forms(PROXY_CANARY) if form in message]
    assert mirror.count("GET", "blob") == len(guarded.image.blobs)
    assert mirror.with_header("Authorization") == []
    for reached in (mirror, guarded.front, guarded.other):
        assert not reached.with_header("Proxy-Authorization")
    guarded.check(run, basic(USER, CANARY), (mirror,))
    assert not [form for form in forms(CANARY) if usual.saw(form)]
    assert any("image_sync" in line or "AnsiballZ" in line for line in processes)
    for form in set().union(*map(forms, guarded.secrets)):
        assert not [line for line in processes if form in line]


def _with_login(proxy: ForwardProxy) -> str:
    return proxy.url.replace("://", f"://{USER}:{quote(PROXY_CANARY, safe='')}@")


def _processes() -> Iterator[str]:
    """The command lines that anybody on this machine can see now."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue  # it has ended


ECHOES = {
    "an error code": ("status", 403, {}, '{{"errors": [{{"code": "{0}", "message": "no"}}]}}'),
    "an escaped message": (
        "status", 403, {}, '{{"errors": [{{"code": "DENIED", "message": "{1}"}}]}}',
    ),
    "a redirect": ("status", 302, {"Location": "ftp://elsewhere.invalid/{2}"}, ""),
    "a content type": ("status", 200, {"Content-Type": "x/{0}"}, '{{"schemaVersion": 2}}'),
}  # fmt: skip


@pytest.mark.parametrize("name", ECHOES)
def test_what_a_registry_repeats_is_not_shown(
    make_registry: MakeRegistry, make_proxy: MakeProxy, tmp_path: Path, name: str
) -> None:
    """With a login of which Ansible knows nothing, so that only we can hide it."""
    action, status, headers, body = ECHOES[name]
    proxy = make_proxy(make_registry(htpasswd=True).url)
    pair = base64.b64encode(f"{registries.USER}:{PASSWORD}".encode()).decode()
    forms = (PASSWORD, quote(pair, safe=""), pair.rstrip("="))
    fault = proxy.inject(
        "GET .*/manifests/", action, status, times=ALWAYS, body=body.format(*forms).encode(),
        headers={key: value.format(*forms) for key, value in headers.items()},
    )  # fmt: skip
    auth_file = tmp_path / "auth.json"
    auth_file.write_text(json.dumps({"auths": {proxy.host: {"auth": pair}}}))
    message = refusal(f"{proxy.host}/a/b:1", auth_file=str(auth_file))
    assert fault.hits
    assert not [form for form in forms if form.lower() in message.lower()]
    assert "********" in message

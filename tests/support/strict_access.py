# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what at the strict registry."""

from __future__ import annotations

import base64

from .strict_rules import Call, Refused, Rules


def check_access(call: Call, rules: Rules) -> None:
    """Refuse a request without the credentials that the rules ask for."""
    protected = rules.auth or rules.bearer or rules.token or rules.challenges
    if not protected or (call.request.kind == "ping" and rules.open_ping):
        return
    scheme, _unused, value = call.headers.get("Authorization", "").partition(" ")
    if not _is_good(call, rules, scheme.lower(), value):
        refused = Refused(401, "UNAUTHORIZED", "authentication required")
        refused.headers = [("WWW-Authenticate", value) for value in _challenges(call, rules)]
        raise refused


def _is_good(call: Call, rules: Rules, scheme: str, value: str) -> bool:
    """Whether these credentials are the right ones; any are where only challenges are set."""
    if scheme == "basic" and rules.auth:
        return value == base64.b64encode(":".join(rules.auth).encode()).decode()
    if scheme == "bearer" and rules.token:
        token = rules.token
        return all(token.allows(value, repo, action) for repo, action in _needed(call, rules))
    if scheme == "bearer" and rules.bearer:
        return value == rules.bearer
    return bool(value) and not (rules.auth or rules.bearer or rules.token)


def _needed(call: Call, rules: Rules) -> list[tuple[str, str]]:
    """The actions that a token has to allow; a mount reads another repository too."""
    if call.request.kind == "ping":
        return []
    if call.method == "DELETE" and call.request.kind != "upload":
        return [(call.repo, rules.delete_action)]
    needed = [(call.repo, "push" if call.request.is_write else "pull")]
    origin = call.request.params.get("from")
    if call.request.kind == "upload" and origin:
        needed.append((origin, "pull"))
    return needed


def _challenges(call: Call, rules: Rules) -> list[str]:
    """What the 401 asks for."""
    if rules.challenges is not None:
        return rules.challenges
    if not rules.token:
        return ['Bearer realm="none"' if rules.bearer else 'Basic realm="strict registry"']
    actions = {"push": "pull,push"}
    scopes = [f"repository:{repo}:{actions.get(a, a)}" for repo, a in _needed(call, rules)]
    scope = f',scope="{" ".join(scopes)}"' if scopes else ""
    return [f'Bearer realm="{rules.token.realm}",service="{rules.token.service}"{scope}']

# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: image_tags
short_description: The tags of a repository, newest first
version_added: 0.1.0
author:
  - The imagesync.registry team (@imagesync)
description:
  - Lists the tags that a repository has, and selects from them just as the options O(imagesync.registry.image_sync#module:tags)
    and O(imagesync.registry.image_sync#module:filter) of M(imagesync.registry.image_sync) do.
  - Versions come first, from the newest on. Of equal versions, the one with more parts comes first. What isn't a version
    comes after them, by text. Tags that stand for a digest, as those of signatures, are left out.
  - All terms are asked for side by side.
  - Lookups run on the controller. The registry must be reachable from there, and auth files are those of the controller.
options:
  _terms:
    description:
      - Repositories, without a tag. In a layout or an archive on the controller's disk that is what the names begin with, as
        C(oci:/directory:quay.io/team/app).
    required: true
  tags:
    description:
      - Tags and wildcards. An V(x) in the place of a number stands for any, as in V(2.13.x), V(v2.x.0) or V(4.x.x).
        Without V(v), tags with a C(v) before the numbers match as well.
      - The other options apply to what wildcards match. A tag that is given by its name must exist.
      - Without this option, they apply to all tags.
    type: list
    elements: str
  semver:
    description:
      - A range of versions, as V(>=1.25 <2), V(^1.2), V(~1.2), V(1.2.x), V(1.2 - 1.4) or V(^1 || >=3.1). Blanks and
        commas mean that all parts hold, C(||) that one of them does. V(=), V(!=), V(>), V(>=), V(<), V(<=), V(^) and
        V(~) mean what they mean to npm and Helm.
      - A range is over the numbers. V(>=1.26 <2) has C(1.26.0-rc1) and not C(2.0.0-rc1), and prereleases only with
        O(prereleases), or where the range names one, as V(>=1.26.0-rc1) does.
      - A tag is a version when it is up to four numbers, with or without C(v) before them. What follows is a
        prerelease, when its first word is one of C(alpha), C(beta), C(rc), C(pre), C(preview), C(dev), C(snapshot),
        C(nightly), C(canary), C(a), C(b) and C(m), with or without a number. Else it is a variant, see O(variants).
    type: str
  include:
    description:
      - Regular expressions. A tag is selected when one of them matches it as a whole.
      - Python sets no limit to the time that an expression takes.
    type: list
    elements: str
  exclude:
    description:
      - Regular expressions. A tag isn't selected when one of them matches it as a whole.
    type: list
    elements: str
  prereleases:
    description:
      - Whether prereleases of versions are selected.
    type: bool
    default: false
  variants:
    description:
      - Regular expressions on the whole of what follows the version, without the dash. V(alpine) selects
        C(1.27.3-alpine) and not C(1.27.3-alpine3.20), and an empty string selects C(1.27.3).
      - Without this option, O(semver), O(newest) and wildcards in O(tags) select plain versions only.
    type: list
    elements: str
  newest:
    description:
      - So many of the newest versions, of each variant.
      - A shorter name for one that is selected comes along and isn't counted, as C(1.27) does beside C(1.27.3).
    type: int
  max_tags:
    description:
      - More tags than this are an error. V(0) means that there is no limit.
    type: int
    default: 200
  allow_empty:
    description:
      - Whether it is fine that nothing is selected. Otherwise that is an error, also for each wildcard in O(tags).
    type: bool
    default: false
extends_documentation_fragment:
  - imagesync.registry._connection.plugin
  - imagesync.registry._connection.limits
seealso:
  - module: imagesync.registry.image_sync
  - plugin: imagesync.registry.image_digest
    plugin_type: lookup
  - name: Authentication
    description: Where logins are looked for, and what a 401 means.
    link: https://github.com/imagesync/ansible-registry/blob/main/docs/authentication.md
"""

EXAMPLES = r"""
---
- name: Show the newest version
  ansible.builtin.debug:
    msg: "{{ query('imagesync.registry.image_tags', 'docker.io/library/nginx', newest=1, max_tags=0) | first }}"

- name: Show every patch of two minor versions that the mirror has
  ansible.builtin.debug:
    msg: "{{ query('imagesync.registry.image_tags', 'registry.example.com/mirror/nginx', tags=['1.26.x', '1.27.x']) }}"

- name: Remove what is older than 1.25, if there is anything
  imagesync.registry.image_sync:
    destination: registry.example.com/mirror/nginx
    state: absent
    tags: "{{ query('imagesync.registry.image_tags', mirror, semver='<1.25', allow_empty=true) }}"
    filter:
      allow_empty: true
  vars:
    mirror: registry.example.com/mirror/nginx
"""

RETURN = r"""
_raw:
  description: The selected tags, newest first. Those of several terms come one after the other, in the order of the terms.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.lookup import LookupBase

from ansible_collections.imagesync.registry.plugins.module_utils.doors.arguments import (
    FILTER_OPTIONS,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import (
    ImageSyncError,
    InvalidInput,
)
from ansible_collections.imagesync.registry.plugins.module_utils.model.reference import (
    Reference,
    parse_reference,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.inspect import select_tags
from ansible_collections.imagesync.registry.plugins.module_utils.sync.selection import (
    Selection,
    read_selection,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.values import plain
from ansible_collections.imagesync.registry.plugins.plugin_utils.options import (
    check_lookup,
    lookup_settings,
    refusals,
    texts,
)

OPTIONS = {"tags": {"type": "list", "elements": "str"}, **FILTER_OPTIONS}


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, terms: list[Any], variables: Any = None, **kwargs: Any) -> list[str]:
        """The selected tags of each term, one after the other."""
        self.set_options(var_options=variables, direct=kwargs)
        check_lookup(self, kwargs)
        try:
            repositories = [_repository(text) for text in texts(self._flatten(terms))]
            selection = self._selection()
            found = select_tags(repositories, selection, lookup_settings(self))
        except ImageSyncError as error:
            raise AnsibleLookupError(str(error)) from error
        return [tag for tags in found for tag in tags]

    def _selection(self) -> Selection:
        # made plain: a list of a template would be copied with Ansible's templating and all
        given = {name: plain(self.get_option(name)) for name in OPTIONS}
        given = {name: value for name, value in given.items() if value is not None}
        checked = ArgumentSpecValidator(OPTIONS).validate(given)
        if checked.error_messages:
            raise AnsibleLookupError(refusals(checked))
        values = dict(checked.validated_parameters)
        tags = values.pop("tags", None)
        selection = read_selection(tags, values, "")
        if selection is None:
            raise InvalidInput("there is nothing to select by")
        return selection


def _repository(text: str) -> Reference:
    found = parse_reference(text)
    if found.image_tag or found.digest:
        raise InvalidInput(f"{found} has a tag or a digest; its repository alone is {found.name}")
    return found

# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How Sphinx makes the documentation site of what `tools/pages.py` has laid out.

Nothing is asked of the network: links to Ansible's own plugins are made from their names. In the
guides, the name of a plugin or of a variable of a role becomes a link where a page first has it.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

project = "imagesync.registry"
author = "the imagesync.registry contributors"
copyright = f"2026, {author}"  # noqa: A001
html_title = "imagesync.registry: container images, mirrored by digest"
html_short_title = project

extensions = ["myst_parser", "sphinx_antsibull_ext"]
root_doc = "index"
default_role = "any"
nitpicky = True
highlight_language = "none"

# Anchors as GitHub makes them, so that links work here and there.
myst_heading_anchors = 4

html_theme = "sphinx_ansible_theme"
# The theme's own are the community's; its topbar and search for docs.ansible.com stay out.
html_theme_options = {
    "documentation_home_url": "",
    "topbar_links": {},
}
html_show_sphinx = False
html_copy_source = False
html_use_modindex = False
html_use_index = False

COLLECTION = "ansible_collections.imagesync.registry."
#: labels that antsibull-docs gives to plugins and to the variables of roles
PLUGIN = re.compile(re.escape(COLLECTION) + r"(\w+)_(module|lookup|filter|role)")
VARIABLE = re.compile(re.escape(COLLECTION) + r"\w+_role__parameter-\w+__(\w+)")
OTHERS = re.compile(r"ansible_collections\.(\w+)\.(\w+)\.(\w+_(?:module|lookup|filter|connection))")
GUIDE = re.compile(
    r"https://github\.com/imagesync/ansible-registry/blob/main/docs/([\w-]+)\.md(#.*)?"
)
ANSIBLE = "https://docs.ansible.com/projects/ansible/latest"
#: what antsibull-docs refers to there
PAGES = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}
#: a role's name alone is a plain word
WORDS = ("mirror", "client")


def link_names(app: Sphinx, doctree: nodes.document) -> None:
    """Make links of names, before Sphinx looks for what links lead to."""
    docname = app.env.docname
    if app.env.doc2path(docname).suffix != ".md":
        return
    seen = set()
    for literal in list(doctree.findall(nodes.literal)):
        name = literal.astext()
        if name in seen or not re.fullmatch(r"(imagesync\.registry\.)?\w+", name):
            continue
        if _is_inside(literal, (nodes.reference, pending_xref, nodes.title)):
            continue
        seen.add(name)
        link = pending_xref(
            "", literal.deepcopy(), reftype="imagesync", reftarget=name, refdoc=docname
        )
        literal.replace_self(link)


def link_guides(app: Sphinx, doctree: nodes.document) -> None:
    """Let the reference lead to the guides of this site, and not to those in the repository."""
    assert app.builder is not None
    for link in doctree.findall(nodes.reference):
        guide = GUIDE.fullmatch(link.get("refuri", ""))
        if guide and guide.group(1) in app.env.found_docs:
            uri = app.builder.get_relative_uri(app.env.docname, guide.group(1))
            link["refuri"] = uri + (guide.group(2) or "")


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.Element | None:
    """Resolve what Sphinx alone can't: our names, and plugins of other collections."""
    if node.get("reftype") == "imagesync":
        label = _labels(env).get(node["reftarget"])
        if label is None:
            return content
        docname, anchor = env.domains.standard_domain.anonlabels[label][:2]
        assert app.builder is not None
        uri = app.builder.get_relative_uri(node["refdoc"], docname)
        return _link(f"{uri}#{anchor}", content)
    target = str(node.get("reftarget"))
    other = OTHERS.match(target)
    if other:
        page = "collections/{}/{}/{}.html".format(*other.groups())
        return _link(f"{ANSIBLE}/{page}", content, internal=False)
    if target in PAGES:
        return _link(f"{ANSIBLE}/{PAGES[target]}", content, internal=False)
    return None


def _labels(env: BuildEnvironment) -> dict[str, str]:
    """What may stand in a guide, and the label that it means."""
    found: dict[str, str] = {}
    for label in env.domains.standard_domain.anonlabels:
        plugin, variable = PLUGIN.fullmatch(label), VARIABLE.fullmatch(label)
        if plugin:
            name = plugin.group(1)
            found[f"imagesync.registry.{name}"] = label
            if name not in WORDS:
                found[name] = label
        elif variable:
            found[variable.group(1)] = label
    return found


def _is_inside(node: nodes.Node, kinds: tuple[type, ...]) -> bool:
    above = node.parent
    while above is not None:
        if isinstance(above, kinds):
            return True
        above = above.parent
    return False


def _link(uri: str, content: nodes.Element, internal: bool = True) -> nodes.reference:
    return nodes.reference("", "", content, internal=internal, refuri=uri)


def setup(app: Sphinx) -> dict[str, Any]:
    """Hook all of it into Sphinx."""
    app.connect("doctree-read", link_names)
    app.connect("doctree-read", link_guides)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

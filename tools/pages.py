# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lays out the documents of the checkout as the pages of a site, for `make docs`.

They stay as they are for those who read them in the repository: here, links between them become
links between pages, and links to other files lead to the repository. `docs/README.md`, which lists
the guides, becomes the front page, and its lists the table of contents.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

from stages import Stage
from workspace import BUILD, ROOT, Environment

REPOSITORY = "https://github.com/imagesync/ansible-registry"
#: beside the guides, and what their pages are called
BESIDE = {
    "README.md": "readme.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "docs/README.md": "index.md",
    "examples/README.md": "examples.md",
    "tests/support/README.md": "test-kit.md",
}
ABOUT = (
    "readme.md",
    "changelog.md",
    "examples.md",
    "contributing.md",
    "test-kit.md",
    "security.md",
)
REFERENCE = "reference/index"

_LINK = re.compile(r"(?<=\]\()([^()\s]+)(?=\))")
_FENCE = re.compile(r"^ *```")
_ITEM = re.compile(r"^- \[[^]]*\]\(([\w-]+\.md)\)", re.MULTILINE)


def make_site(stage: Stage, environment: Environment) -> None:
    """Make the site in `.build/docs`: a warning of any of the tools is an error.

    `environment` has antsibull-docs and Sphinx.
    """
    source, site, cache = (BUILD / name for name in ("docs-source", "docs", "docs-cache"))
    lay_out(ROOT, source)
    reference = source / Path(REFERENCE).parent
    reference.mkdir()
    reference.chmod(0o755)  # antsibull-docs wants a folder in which nobody else can write
    antsibull, sphinx = environment.bin / "antsibull-docs", environment.bin / "sphinx-build"
    lint = ("lint-collection-docs", "--plugin-docs", "--validate-collection-refs=self", ".")
    collection = ("collection", "--use-current", "--fail-on-error", "--squash-hierarchy")
    build = ("-q", "-W", "--keep-going", "-E", "-b", "html", "-c", ROOT / "tools" / "sphinx")
    shutil.rmtree(site, ignore_errors=True)
    for command in (
        (antsibull, *lint),
        (antsibull, *collection, "--dest-dir", reference, "imagesync.registry"),
        (sphinx, *build, "-d", cache, source, site),
    ):
        stage.run(*command, cwd=ROOT, env=environment.variables())
    stage.note = str((site / "index.html").relative_to(ROOT))


def lay_out(root: Path, source: Path) -> None:
    """Write the pages of the checkout ``root`` below ``source``, which is emptied before."""
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    pages = pages_of(root)
    for file, page in pages.items():
        text = with_links(root, file, (root / file).read_text(encoding="utf-8"), pages)
        if page == "index.md":
            text += contents(text, [one for one in ABOUT if one in pages.values()])
        (source / page).write_text(text, encoding="utf-8")


def pages_of(root: Path) -> dict[str, str]:
    """Return all documents of the checkout with their pages, by their paths."""
    guides = {f"docs/{file.name}": file.name for file in (root / "docs").glob("*.md")}
    return guides | {file: page for file, page in BESIDE.items() if (root / file).exists()}


def with_links(root: Path, file: str, text: str, pages: dict[str, str]) -> str:
    """Return the text of a document with its links as the site needs them."""
    lines, code = [], False
    for line in text.splitlines(keepends=True):
        fence = bool(_FENCE.match(line))
        if not code and not fence:
            line = _LINK.sub(lambda found: _target(root, file, found.group(), pages), line)
        code = code != fence
        lines.append(line)
    return "".join(lines)


def _target(root: Path, file: str, link: str, pages: dict[str, str]) -> str:
    whole = link
    link = link.removeprefix(f"{REPOSITORY}/blob/main/") if _is_ours(link) else link
    if "://" in link or link.startswith(("#", "mailto:")):
        return link
    path, hash_, anchor = link.partition("#")
    # What was a whole address begins at the root, else at the document.
    known = [os.path.normpath(Path(file).parent / path), os.path.normpath(path)]
    found = [one for one in known if (root / unquote(one)).exists()]
    if not found:
        return whole  # Sphinx says where one leads nowhere; a test, where a whole address does
    if found[0] in pages:
        return pages[found[0]] + hash_ + anchor
    kind = "tree" if (root / found[0]).is_dir() else "blob"
    return f"{REPOSITORY}/{kind}/main/{found[0]}{hash_}{anchor}"


def _is_ours(link: str) -> bool:
    return link.startswith(f"{REPOSITORY}/blob/main/")


def contents(text: str, about: list[str]) -> str:
    """Return the table of contents: a part for each list of the front page."""
    parts = []
    for part in re.split(r"\n(?=[^\n]*:\n\n- \[)", text)[1:]:
        caption = part.partition(":\n")[0].strip()
        parts.append(_toctree(caption, _ITEM.findall(part)))
    parts.append(_toctree("Reference", [REFERENCE]))
    parts.append(_toctree("The project", about))
    return "".join(parts)


def _toctree(caption: str, pages: list[str]) -> str:
    options = f":hidden:\n:caption: {caption}\n:maxdepth: 2\n"
    return "\n```{toctree}\n" + options + "\n" + "\n".join(pages) + "\n```\n"

"""Git repositories made on the spot, with commits of fixed dates."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ascend_wheelhouse.base.process import run

_IDENTITY = {
    "GIT_AUTHOR_NAME": "Upstream",
    "GIT_AUTHOR_EMAIL": "upstream@example.org",
    "GIT_COMMITTER_NAME": "Upstream",
    "GIT_COMMITTER_EMAIL": "upstream@example.org",
    "GIT_AUTHOR_DATE": "1767225600 +0000",
    "GIT_COMMITTER_DATE": "1767225600 +0000",
}


def git(place: Path, *words: str) -> str:
    """Run git in a repository as its author."""
    options = ("-C", str(place), "-c", "protocol.file.allow=always", "-c", "commit.gpgsign=false")
    return run(["git", *options, *words], env=os.environ | _IDENTITY).stdout.strip()


def commit(place: Path, files: Mapping[str, str], *, message: str = "Change") -> str:
    """Write files (a name that ends in .sh becomes executable), commit them and return the commit."""
    if not (place / ".git").exists():
        place.mkdir(parents=True, exist_ok=True)
        git(place, "init", "--quiet", "--initial-branch=main")
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755 if name.endswith(".sh") else 0o644)
    git(place, "add", "--all")
    git(place, "commit", "--quiet", "--message", message)
    return git(place, "rev-parse", "HEAD")


def add_submodule(place: Path, url: str, path: str, origin: Path) -> None:
    """Add `origin` as a submodule that says it comes from `url`."""
    git(place, "submodule", "--quiet", "add", str(origin), path)
    git(place, "config", "--file", ".gitmodules", f"submodule.{path}.url", url)
    git(place, "add", ".gitmodules")


def forge_submodule(place: Path, folder: str, name: str, url: str, pinned: str) -> str:
    """Commit a tree that git itself would not write, a submodule in a folder of any name, and return the commit."""

    def written(kind: str, content: bytes) -> str:
        (place / ".git/forged").write_bytes(content)
        return git(place, "hash-object", "-t", kind, "-w", "--literally", ".git/forged")

    def row(mode: str, entry: str, sha1: str) -> bytes:
        return f"{mode} {entry}\0".encode() + bytes.fromhex(sha1)

    settings = f'[submodule "{name}"]\n\tpath = {folder}/{name}\n\turl = {url}\n'
    inner = written("tree", row("160000", name, pinned))
    rows = {folder: row("40000", folder, inner)}
    rows[".gitmodules"] = row("100644", ".gitmodules", written("blob", settings.encode()))
    top = written("tree", b"".join(rows[entry] for entry in sorted(rows)))
    return git(place, "commit-tree", top, "-m", "Forged")

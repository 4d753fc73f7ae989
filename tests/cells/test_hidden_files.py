"""What editors and other systems leave beside recipes is none of them."""

from __future__ import annotations

import shutil
from pathlib import Path

from ascend_wheelhouse.cells.stack import load_catalogue
from ascend_wheelhouse.make.freshness import recipes_digest

RECIPES = Path(__file__).parents[2] / "recipes"


def test_a_project_is_read_while_an_editor_has_its_files_open(tmp_path: Path) -> None:
    """Emacs marks a file with unsaved changes by a link to nowhere; macOS puts `._NAME` on file systems of others."""
    folder = tmp_path / "recipes"
    shutil.copytree(RECIPES, folder)
    before = recipes_digest(folder)
    stack = next((folder / "stacks").glob("*.toml")).name
    for name in ("sglang.toml", f"stacks/{stack}", "patches/sglang/0.5.6.post2/one.patch"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f".#{path.name}").symlink_to("me@host.4711:1764500000")
        path.with_name(f"._{path.name}").write_bytes(b"\x00\x05\x16\x07")
    (folder / ".git").mkdir()
    (folder / ".git/left.toml").write_text("no recipe")
    assert load_catalogue(folder).recipes.keys() == load_catalogue(RECIPES).recipes.keys()
    assert recipes_digest(folder) == before

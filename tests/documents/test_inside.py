import shutil
import subprocess
import sys
from pathlib import Path

from layers import DOCUMENT, ROOT, allowed, replaced


def test_every_import_follows_the_table_of_layers() -> None:
    """The table stands in pyproject.toml; `lint-imports` names each import that does not follow it."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout


def test_an_import_against_the_table_is_found(tmp_path: Path) -> None:
    """Planted: `base` importing `cells`, in a copy of the package."""
    copy = tmp_path / "src"
    shutil.copytree(ROOT / "src/ascend_wheelhouse", copy / "ascend_wheelhouse")
    with (copy / "ascend_wheelhouse/base/clock.py").open("a", encoding="utf-8") as module:
        module.write("\nfrom ascend_wheelhouse.cells import cell  # noqa\n")
    program = (
        "import sys; sys.path.insert(0, 'src'); from importlinter.cli import lint_imports; "
        f"sys.exit(lint_imports(config_filename={str(ROOT / 'pyproject.toml')!r}, no_cache=True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert "ascend_wheelhouse.base.clock -> ascend_wheelhouse.cells.cell" in " ".join(done.stdout.split())


def test_the_table_names_every_package_once() -> None:
    named = [name for layer in allowed() for name in layer]
    there = {path.parent.name for path in (ROOT / "src/ascend_wheelhouse").glob("*/__init__.py")}
    assert sorted(named) == sorted(there)


def test_the_drawing_in_the_document_is_the_tables() -> None:
    """`python tests/documents/layers.py` fixes it."""
    text = DOCUMENT.read_text("utf-8")
    assert replaced(text) == text

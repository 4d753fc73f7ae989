"""One name, one meaning; and one record of a file: read from the source, so that a second one cannot slip in."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "src" / "ascend_wheelhouse"
COLUMNS = {"filename", "size", "sha256"}


def classes() -> Iterator[tuple[str, ast.ClassDef]]:
    """Yield every class of the package with its module, nested ones too."""
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                yield module, node


def declared(kind: ast.ClassDef) -> set[str]:
    """Return the names of the fields that a class itself declares."""
    return {
        item.target.id
        for item in kind.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }


def test_no_two_classes_have_one_name() -> None:
    places = defaultdict(list)
    for module, kind in classes():
        places[kind.name].append(module)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_record_but_the_artifact_declares_name_size_and_digest_of_a_file() -> None:
    found = {(module, kind.name) for module, kind in classes() if declared(kind) >= COLUMNS}
    assert found == {("base/artifact.py", "Artifact")}

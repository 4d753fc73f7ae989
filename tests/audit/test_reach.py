"""Which imports are certain, and which an author has guarded."""

from __future__ import annotations

import ast
import os
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from making_wheels import WheelDraft
from shop import policy_for

from ascend_wheelhouse.audit.conditions import holds
from ascend_wheelhouse.audit.quick_imports import is_code, margin_imports
from ascend_wheelhouse.audit.runner import audit_wheels

GUARDED = [
    "try:\n    import wheelbarrow\nexcept ImportError:\n    wheelbarrow = None\n",
    "try:\n    import wheelbarrow\nexcept (OSError, ModuleNotFoundError):\n    pass\n",
    "try:\n    import wheelbarrow\nexcept Exception:\n    pass\n",
    "try:\n    import wheelbarrow\nexcept:\n    pass\n",
    "MISSING = ImportError\ntry:\n    import wheelbarrow\nexcept MISSING:\n    pass\n",
    "try:\n    from .gone import x\nexcept ImportError:\n    pass\n",
    "def later():\n    from .gone import x\n",
    "import sys\nsys.modules[__name__ + '.gone'] = sys\nfrom .gone import x\n",
    "__path__ = [*__path__, 'elsewhere']\nfrom alone.gone import x\n",
    '"""\nfrom alone.gone import x\n"""\n',
    "from .compat.inner import x\n",
    "from .compiled.inner import x\nfrom .folder import y\nimport alone.folder.data\n",
    "from contextlib import suppress\nwith suppress(ImportError):\n    import wheelbarrow\n",
    "def later():\n    import wheelbarrow\n",
    "class A:\n    def later(self):\n        import wheelbarrow\n",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import wheelbarrow\n",
    "import typing\nif typing.TYPE_CHECKING:\n    import wheelbarrow\n",
    'import sys\nif sys.platform == "win32":\n    import wheelbarrow\n',
    'import sys\nif sys.platform.startswith("darwin"):\n    import wheelbarrow\n',
    'import os\nif os.name == "nt":\n    import wheelbarrow\n',
    'import platform\nif platform.system() in ("Windows", "Darwin"):\n    import wheelbarrow\n',
    "import sys\nif sys.version_info < (3, 8):\n    import wheelbarrow\n",
    "import sys\nif sys.version_info >= (3, 11):\n    import tomllib\nelse:\n    import wheelbarrow\n",
    "import sys\nif sys.version_info[0] == 2:\n    import wheelbarrow\n",
    "import helper\nif helper.is_cuda():\n    import wheelbarrow\n",
    'if __name__ == "__main__":\n    import wheelbarrow\n',
    "from . import compat\n",
    "from .axle import x\n",
    "import alone.axle\n",
    "import os.path, json, distutils\n",
    "import __main__\n",
    '"""\nimport wheelbarrow\n"""\n',
    "this is no Python\n",
]
FILES = {
    "alone/compat.py": "",
    "alone/compiled.abi3.so": "/* GNU ld script */ INPUT ( a )",
    "alone/folder/data.txt": "",
    "alone/axle.py": "x = 1\n",
    "helper.py": "",
}


@pytest.mark.parametrize("text", GUARDED)
def test_a_guarded_import_is_not_reported(tmp_path: Path, text: str) -> None:
    path = WheelDraft(name="alone", files={"alone/__init__.py": text, **FILES}).write(tmp_path)
    report = audit_wheels([path], policy_for("aarch64"))
    assert not [one for one in report.findings if one.check == "undeclared-imports"]


@pytest.mark.parametrize(
    "text", ["from .gone import x\n", "import alone.gone.inner\n", "from .sub import gone_2\n"]
)
def test_a_module_of_its_own_that_a_wheel_lacks_is_reported(tmp_path: Path, text: str) -> None:
    sub = {"alone/sub/__init__.py": "from .gone import y\n"}
    path = WheelDraft(name="alone", files={"alone/__init__.py": text, **FILES, **sub}).write(tmp_path)
    (found,) = [
        one
        for one in audit_wheels([path], policy_for("aarch64")).findings
        if one.rule == "missing-own-module"
    ]
    assert found.severity == "error"
    assert "gone of its own package" in found.message


def test_a_module_that_another_wheel_puts_into_the_package_is_not_missed(tmp_path: Path) -> None:
    one = WheelDraft(name="alone", files={"alone/__init__.py": "from .plugin import x\n"}).write(tmp_path)
    other = WheelDraft(name="plugin", files={"alone/plugin.py": "x = 1\n"}).write(tmp_path)
    assert not audit_wheels([one, other], policy_for("aarch64")).of("error")


@pytest.mark.parametrize(
    "text", ["import other.a\n", "import other.b\n", "import other.c.d\n", "from other import e\n"]
)
def test_a_part_of_another_package_that_is_there_is_not_missed(tmp_path: Path, text: str) -> None:
    parts = {
        "other/__init__.py": "",
        "other/a.py": "",
        "other/b/data.txt": "",
        "other/c.abi3.so": "INPUT ( a )",
    }
    one = WheelDraft(name="alone", files={"alone/__init__.py": text}).write(tmp_path)
    other = WheelDraft(name="other", files=dict(parts)).write(tmp_path)
    assert not [
        one
        for one in audit_wheels([one, other], policy_for("aarch64")).findings
        if one.rule == "missing-part"
    ]


CERTAIN = [
    "import wheelbarrow\n",
    "from wheelbarrow.axle import wheel\n",
    "import sys\nif sys.version_info >= (3, 8):\n    import wheelbarrow\n",
    'import os\nif os.name != "nt" and not False:\n    import wheelbarrow\n',
    "try:\n    x = 1\nfinally:\n    import wheelbarrow\n",
    "with open(__file__):\n    import wheelbarrow\n",
    "for _ in range(1):\n    import wheelbarrow\n",
    "from alone.deeper import x\n",
]


@pytest.mark.parametrize("text", CERTAIN)
def test_a_certain_import_is_reported_with_its_place(tmp_path: Path, text: str) -> None:
    files: dict[str, str | bytes] = {"alone/__init__.py": text}
    files |= {"alone/deeper/__init__.py": "import wheelbarrow\nx = 1\n"}
    path = WheelDraft(name="alone", files=files).write(tmp_path)
    report = audit_wheels([path], policy_for("aarch64"))
    (found,) = [one for one in report.findings if one.check == "undeclared-imports"]
    assert found.severity == "error"
    assert found.member.startswith("alone/")


def test_a_wheel_that_nothing_imports_is_only_warned_of(tmp_path: Path) -> None:
    user = WheelDraft(name="user", files={"user.py": ""}, metadata=["Requires-Dist: alone"])
    alone = WheelDraft(name="alone", files={"alone.py": "import wheelbarrow\n"})
    report = audit_wheels([user.write(tmp_path), alone.write(tmp_path)], policy_for("aarch64"))
    assert report.clean
    assert [one.rule for one in report.of("warning")] == ["missing-module"]


def test_what_a_pending_component_brings_is_told_and_no_defect(tmp_path: Path) -> None:
    """triton-ascend may be pending, and torch_npu's wheel imports its `triton` all the same."""
    text = "import wheelbarrow.deep\nimport nowhere\n"
    path = WheelDraft(name="alone", files={"alone.py": text}).write(tmp_path)
    policy = replace(policy_for("aarch64"), pending={"wheelbarrow": "barrow"})
    report = audit_wheels([path], policy)
    (note,) = [one for one in report.findings if one.rule == "pending-module"]
    assert (note.severity, note.evidence) == ("note", "wheelbarrow of barrow")
    (defect,) = [one for one in report.findings if one.rule == "missing-module"]
    assert defect.message.startswith("imports nowhere, which no wheel")


def test_modules_beside_and_vendored_ones_count_as_provided(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "alone/__init__.py": "import sys\nsys.path.append('.')\nimport _native\nimport jaraco.text\n",
        "alone/_native.cpython-311-aarch64-linux-gnu.so": b"INPUT(libm.so.6)\n",  # stands for an object
        "alone/_vendor/jaraco/text.py": "",
    }
    path = WheelDraft(name="alone", files=files).write(tmp_path)
    assert audit_wheels([path], policy_for("aarch64")).clean


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ('sys.platform == "linux"', True),
        ('sys.platform in ("linux", "linux2")', True),
        ('not os.name == "posix"', False),
        ("sys.version_info[:2] >= (3, 11)", True),
        ("sys.version_info >= (3, 12)", False),
        ("TYPE_CHECKING or unknown", None),
        ("TYPE_CHECKING and unknown", False),
        ('sys.platform == "linux" or unknown', True),
        ("unknown()", None),
        ('"a" < sys.version_info', None),
        ("1 < 2 < 3", None),
    ],
)
def test_conditions_are_decided_as_the_target_decides_them(text: str, verdict: object) -> None:
    expression = ast.parse(text, mode="eval").body
    assert holds(expression, (3, 11)) is verdict


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import a\nfrom b import (\n    c,\n    d,\n)\n", ["a", "b"]),
        ("from b import c, \\\n    d\n", ["b"]),
        ("import a; import b\n", ["a", "b"]),
        ("def f():\n    import a\n", []),
        ("class A:\n    def f(self):\n        import a\n", []),
        ("class A:\n    import a\n", ["a"]),
        ("class A:\n    def f(self):\n        pass\n    import a\n", ["a"]),
        (
            "class A:\n    def f(self):\n        import a\n    x = 1\n    if x:\n        import b\n",
            ["a", "b"],
        ),
        (
            "try:\n    import a\nexcept ImportError:\n    import b\nelse:\n    import c\nimport d\n",
            list("abcd"),
        ),
        ("if x:\n\timport a\nx = 1\nif y:\n    pass\n", ["a"]),
        ('with x:\n    text = """\nif not:\n"""\n    import a\n', None),
        ('"""\nIn this way:\n    import a\n"""\nimport b\n', None),
        ('"""\nfrom the start, prose\n"""\nimport a\n', None),
        ("from b import (  # (really)\n    c,\n)\n", None),
        ("x = 1\r\nimport a\r\n", ["a"]),
        ("import a", ["a"]),
    ],
)
def test_imports_at_the_margin_are_read_without_the_tree(text: str, names: list[str] | None) -> None:
    found = margin_imports(text.encode())
    if names is None:
        assert found is None
    else:
        assert found is not None
        assert sorted(imported(found, ())) == names


def test_imports_of_the_standard_library_are_those_of_its_trees() -> None:
    modules = sorted(Path(os.__file__).parent.glob("*.py"))
    unlike, answered = [], 0
    for data in map(Path.read_bytes, modules):
        if (quick := margin_imports(data)) is not None:
            answered += 1
            whole = ast.parse(data).body
            unlike += sorted(set(imported(whole, FUNCTIONS)) ^ set(imported(quick, FUNCTIONS)))
            unlike += sorted({*lines_of(quick)} - {*lines_of(whole)})
    assert len(modules) > 100
    assert answered > 0.9 * len(modules)
    assert unlike == []


def lines_of(body: Sequence[ast.AST]) -> Iterator[str]:
    """Yield the import statements with their lines."""
    for node in (inner for one in body for inner in ast.walk(one)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield f"{node.lineno} {ast.unparse(node)}"


def test_texts_over_several_lines_end_where_the_tokenizer_ends_them() -> None:
    texts, wrong = 0, []
    for path in sorted(Path(os.__file__).parent.glob("*.py"))[::4]:
        data = path.read_bytes()
        with path.open("rb") as file:
            tokens = list(tokenize.tokenize(file.readline))
        long = [one for one in tokens if one.type == tokenize.STRING]
        within = {line for one in long for line in range(one.start[0] + 1, one.end[0] + 1)}
        begins = {one.start[0] for one in tokens if one.type == tokenize.NAME} - within
        texts += len(within)
        wrong += [f"{path.name}:{line}" for line in sorted(within)[::7] if is_code(data, {line})]
        wrong += [] if is_code(data, begins or {1}) else [path.name]
    assert texts > 1000
    assert wrong == []


@pytest.mark.parametrize(
    "before",
    [
        '"""',
        'r"""\\"""\n',
        "x = '''\n\"\"\"\n",
        'x = "a\\',
        '\'\' \'\'\'\n# """  """',
        '"" """',
        "# it's\n'''it''",
    ],
)
def test_what_stands_in_a_text_is_no_code(before: str) -> None:
    data = f'{before}\nimport a"\n'.encode()
    assert not is_code(data, {data.count(b"\n")})


@pytest.mark.parametrize(
    "before",
    [
        "x = 1",
        '"""a"""',
        '# it\'s """ one',
        'x = \'"""\'',
        '"""\\\\"""',
        "''",
        'x = "\\\\"',
        "'''\n# ''' # '''",
    ],
)
def test_what_follows_a_text_is_code(before: str) -> None:
    data = f"{before}\nimport a\n".encode()
    assert is_code(data, {data.count(b"\n")})


@pytest.mark.parametrize(
    "source",
    [
        f"if a{'.b' * 400}:\n    import wheelbarrow\n",
        f"if {'not ' * 1500}a:\n    import wheelbarrow\n",
        f"try:\n    import wheelbarrow\nexcept a{'.b' * 500}:\n    pass\n",
        "import sys\nif sys.platform in {[]}:\n    import wheelbarrow\n",
    ],
    ids=["a long name", "many negations", "a long class", "a set of a list"],
)
def test_what_is_nested_too_deep_is_no_fault_of_the_audit(tmp_path: Path, source: str) -> None:
    path = WheelDraft(name="first", files={"first.py": source}).write(tmp_path)
    assert audit_wheels([path], policy_for("x86_64")).clean


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def imported(body: Sequence[ast.AST], beside: tuple[type[ast.AST], ...]) -> Iterator[str]:
    """Yield what import statements name, those inside of nodes of some kinds left out."""
    for node in body:
        match node:
            case ast.Import():
                yield node.names[0].name
            case ast.ImportFrom():
                yield f"{'.' * node.level}{node.module or ''}"
            case _ if not isinstance(node, beside):
                yield from imported(list(ast.iter_child_nodes(node)), beside)

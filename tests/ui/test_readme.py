from pathlib import Path

from packaging.version import Version

from ascend_wheelhouse import errors
from ascend_wheelhouse.stack import Stack, load_catalogue

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMPONENTS = ("torch", "torchvision", "torch-npu", "triton-ascend", "sgl-kernel-npu")


def _table_under(heading: str) -> list[list[str]]:
    section = README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def _row(stack: Stack) -> list[str]:
    option = f"--torch {stack.torch}" + ("" if stack.default else f" --cann {stack.cann}")
    return [*(stack.components[name] for name in COMPONENTS), stack.cann, f"`{option}`"]


def test_the_table_of_stacks_is_that_of_the_stack_files() -> None:
    stacks = load_catalogue(ROOT / "recipes").stacks
    ordered = sorted(stacks, key=lambda stack: (Version(stack.torch), not stack.default, stack.cann))
    assert _table_under("Stacks") == [_row(stack) for stack in ordered]


def test_the_table_of_exit_codes_is_that_of_the_errors() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, errors.WheelhouseError)}
    assert {int(row[0]) for row in _table_under("Exit codes")} == (codes - {1}) | {0, 130}

"""What the audit tells a person to do: one line a cause, by name and version, with commands that run as printed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from defects_of_content import (
    a_torch_npu_of_another_line,
    a_torchvision_of_another_line,
    pybind11_left_out_under_triton,
)
from defects_of_linking import (
    a_cann_library_in_a_wheel_whose_recipe_does_not_leave_it_to_the_host,
    a_torch_symbol_of_another_line,
    a_wheel_of_kernels_without_its_kernels,
)
from making_wheels import WheelDraft
from packaging.tags import parse_tag
from shop import ACL, Shop, compiled, open_shop

from ascend_wheelhouse.audit.advice import torch_npu_for
from ascend_wheelhouse.audit.causes import causes
from ascend_wheelhouse.audit.render import show, summary
from ascend_wheelhouse.audit.report import AuditReport, Finding
from ascend_wheelhouse.audit.tags import tag_faults
from ascend_wheelhouse.cells.target import Target

ROOT = Path(__file__).parents[2]
CELL = {"torch": "2.8.0", "cann": "8.3.RC2", "sglang": "0.5.6.post2"}
WORDS = "--torch 2.8.0 --platform x86_64 --cann 8.3.RC2 --sglang 0.5.6.post2"
X86 = Target.named("x86_64")

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


def told(report: AuditReport, rule: str) -> str:
    """Return the one repair of a rule."""
    (cause,) = causes(one for one in report.findings if one.rule == rule)
    return cause.todo


def finding(rule: str, number: int = 0, **words: str) -> Finding:
    facts = {"check": "link-closure", "severity": "error", "wheel": f"a-1.{number}-py3-none-any.whl", **words}
    return Finding(rule=rule, message="m", **facts)  # type: ignore[arg-type]  # the caller names fields


# One line a cause


def test_one_cause_is_one_line_however_many_objects_it_has() -> None:
    wrong = [
        finding("machine", repair="take a 1.0 for x86_64", item="a 1.0", member=f"{n}.so") for n in range(300)
    ]
    (cause,) = causes(wrong)
    assert (cause.count, cause.todo, cause.subject) == (300, "take a 1.0 for x86_64", "a-1.0 (300 findings)")


def test_what_is_missing_is_listed_in_one_line() -> None:
    names = [f"p{number}>=1" for number in range(30)]
    (cause,) = causes(
        finding("not-closed", number, repair=f"put {name} beside the others", item=name)
        for number, name in enumerate(names)
    )
    assert cause.todo == f"put {', '.join(names[:8])} and 22 more beside the others"


def test_the_worst_cause_comes_first() -> None:
    """A wheel that loads nowhere comes before what it lacks, however often that shows; warnings come last."""
    found = [
        *(finding("missing-library", number, repair="add it") for number in range(50)),
        finding("stray-top-level", check="ownership", severity="warning", repair="report it"),
        finding("not-closed", check="metadata", repair="add that"),
        finding("tags", check="metadata", repair="take another"),
        finding("torch-npu", check="cell", repair="take torch_npu"),
    ]
    assert [one.todo for one in causes(found)] == [
        "take another",
        "take torch_npu",
        "add it",
        "add that",
        "report it",
    ]


def test_many_causes_do_not_crowd_each_other_out(capsys: pytest.CaptureFixture[str]) -> None:
    found = (
        *(finding("machine", repair="take b", member=str(n)) for n in range(50)),
        finding("x", repair="do c"),
    )
    show(AuditReport(wheels=("a",), findings=found))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("next, ")]
    assert lines == ["next, a-1.0 (50 findings): take b", "next, a-1.0: do c"]


def test_what_a_wheel_requires_and_imports_is_told_once() -> None:
    """Torch requires typing-extensions and imports it; one of the two lines is enough."""
    found = [
        finding("not-closed", repair="put yarl>=1 beside the others", item="yarl>=1"),
        finding("missing-module", repair="put yarl beside the others", item="yarl"),
        finding("missing-module", repair="put other beside the others", item="other"),
    ]
    assert sorted(one.todo for one in causes(found)) == [
        "put other beside the others",
        "put yarl>=1 beside the others",
    ]


# The verdict


@pytest.mark.parametrize(
    ("severities", "said"),
    [
        ([], "clean"),
        (["note", "note"], "clean, 2 notes"),
        (["warning"], "no defect, 1 warning"),
        (["warning"] * 4 + ["note"] * 38, "no defect, 4 warnings, 38 notes"),
        (["error", "warning"], "not fit to ship: 1 defect, 1 warning"),
    ],
)
def test_the_verdict_counts_everything(severities: list[str], said: str) -> None:
    found = tuple(finding("x", number, severity=one) for number, one in enumerate(severities))
    assert summary(AuditReport(wheels=("a",), findings=found)) == said


def test_every_note_that_is_counted_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    notes = tuple(finding("builder-path", number, check="hygiene", severity="note") for number in range(38))
    show(AuditReport(wheels=("a",), findings=notes))
    printed = capsys.readouterr().out
    assert "38 notes of hygiene: m (a-1.0, a-1.1, a-1.2 and 35 more)" in printed
    assert "1 wheel: clean, 38 notes" in printed


# Which part of the tags is wrong


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("cp311-cp311-manylinux_2_28_x86_64", []),
        ("py3-none-any", []),
        ("cp39-abi3-manylinux_2_17_x86_64", []),
        (
            "cp312-cp312-manylinux_2_28_x86_64",
            ["is for CPython 3.12 (cp312-cp312), and the target has CPython 3.11"],
        ),
        (
            "pp310-pypy310_pp73-manylinux_2_28_x86_64",
            ["is for PyPy 3.10 (pp310-pypy310_pp73), and the target has CPython 3.11"],
        ),
        (
            "cp311-cp311-musllinux_1_2_x86_64",
            ["is for musl systems (musllinux_1_2_x86_64), and the target has glibc"],
        ),
        (
            "cp311-cp311-manylinux_2_34_x86_64",
            ["needs glibc 2.34 (manylinux_2_34_x86_64), and the target's nodes have 2.28 or newer"],
        ),
        (
            "cp311-cp311-manylinux_2_28_aarch64",
            ["is for manylinux_2_28_aarch64, and the target's architecture is x86_64"],
        ),
        ("cp311-cp311-win_amd64", ["is for win_amd64, and the target is Linux"]),
        (
            "cp312-cp312-musllinux_1_2_x86_64",
            [
                "is for CPython 3.12 (cp312-cp312), and the target has CPython 3.11",
                "is for musl systems (musllinux_1_2_x86_64), and the target has glibc",
            ],
        ),
    ],
)
def test_the_part_of_the_tags_that_is_wrong_is_named(tag: str, said: list[str]) -> None:
    assert tag_faults(parse_tag(tag), X86) == said


def test_a_wheel_for_another_python_is_not_told_to_be_for_this_manylinux(tmp_path: Path) -> None:
    shop = open_shop()
    shop.wheels["torchvision"].tag = "cp312-cp312-manylinux_2_28_x86_64"
    report = shop.audit(tmp_path)
    assert (
        told(report, "tags") == "take torchvision 0.23.0 as a cp311 wheel for manylinux_2_28_x86_64 or older"
    )


@needs_compiler
def test_an_object_that_its_package_does_without_is_only_warned_of(tmp_path: Path) -> None:
    """Numba has three pools of threads and takes one that loads."""
    shop = open_shop()
    nowhere = (("libnowhere.so", 'extern "C" int nowhere() { return 0; }'),)
    flags = ("-Wl,--no-as-needed", "-L.", "-lnowhere")
    shop.wheels["torchvision"].files["torchvision/_C.so"] = compiled("_C.so", "int c;", flags, nowhere)
    report = shop.audit(tmp_path)
    (found,) = [one for one in report.findings if one.rule == "missing-library"]
    assert found.severity == "warning"
    assert found.message.endswith("neither the wheelhouse nor the target has: its package does without")


@needs_compiler
def test_a_musl_wheel_is_not_told_to_add_musl(tmp_path: Path) -> None:
    shop = open_shop()
    musl = (("libc.musl-x86_64.so.1", 'extern "C" int musl() { return 0; }'),)
    files = shop.wheels["torchvision"].files
    files["torchvision/_C.so"] = compiled(
        "_C.so", "int c;", ("-Wl,--no-as-needed", "-L.", "-l:libc.musl-x86_64.so.1"), musl
    )
    shop.wheels["torchvision"].tag = "cp311-cp311-musllinux_1_2_x86_64"
    report = shop.audit(tmp_path)
    for rule in ("tags", "missing-library"):
        assert (
            told(report, rule)
            == "take torchvision 0.23.0 as a cp311 wheel for manylinux_2_28_x86_64 or older"
        )


# What the node has


@needs_compiler
def test_a_library_of_cann_is_said_to_be_canns(tmp_path: Path) -> None:
    shop = open_shop()
    a_cann_library_in_a_wheel_whose_recipe_does_not_leave_it_to_the_host(shop)
    report = shop.audit(tmp_path)
    (one,) = report.of("error")
    assert "on the node and in no wheel (cann-toolkit: CANN toolkit" in one.message
    assert one.repair.startswith(
        "name libascendcl.so under `host_libraries` of recipes/torchvision.toml: the node has it from cann-toolkit"
    )


@pytest.mark.parametrize(
    ("library", "package"), [("libatb.so", "nnal: NNAL"), ("libascend_hal.so", "the NPU driver")]
)
@needs_compiler
def test_libraries_of_nnal_and_the_driver_are_said_to_be_theirs(
    tmp_path: Path, library: str, package: str
) -> None:
    shop = open_shop()
    made = compiled("_x.so", "int x;", ("-Wl,--no-as-needed", "-L.", f"-l:{library}"), ((library, ACL),))
    shop.add("other", {"other/__init__.py": "", "other/_x.so": made}, tag=shop.wheels["torch"].tag)
    repair = told(shop.audit(tmp_path), "missing-library")
    assert repair.startswith(
        f"name {library} under `host_libraries` of a recipe of other (recipes/README.md): "
    )
    assert f"the node has it from {package}" in repair


@needs_compiler
def test_a_wheel_of_kernels_without_its_kernels_is_a_defect(tmp_path: Path) -> None:
    shop = open_shop()
    a_wheel_of_kernels_without_its_kernels(shop)
    shop.hold_to(cell=CELL)
    report = shop.audit(tmp_path)
    (one,) = report.of("error")
    assert one.message == "holds no deep_ep_cpp*.so, which a wheel of deep-ep has"
    assert f"`invoke plan {WORDS}`" in one.repair


# By name and version


def test_a_torch_that_only_a_stack_has_is_given_its_torch_npu(tmp_path: Path) -> None:
    """The compatibility table has no row for torch 2.13.0, and a stack has torch_npu 2.13.0 for it."""
    shop = open_shop()
    assert torch_npu_for("2.13.0+cpu", shop.policy) == ["2.13.0"]
    shop.wheels["torch"].version = "2.13.0+cpu"
    shop.wheels["torchvision"].version = "0.28.0+cpu"
    assert told(shop.audit(tmp_path), "torch-npu") == "take torch_npu 2.13.0"


@needs_compiler
def test_a_missing_symbol_names_the_releases_that_fit(tmp_path: Path) -> None:
    shop = open_shop()
    a_torch_symbol_of_another_line(shop)
    shop.wheels["torch"].version = "2.13.0+cpu"
    assert told(shop.audit(tmp_path / "known"), "missing-symbols") == (
        "with torch 2.13.0+cpu fit torch_npu 2.13.0; torch_npu 2.8.0.post2 fits torch 2.8.0"
    )
    shop.wheels["torch"].version = "2.99.0"
    assert told(shop.audit(tmp_path / "unknown"), "missing-symbols").startswith(
        "no torch_npu release is listed for torch 2.99.0: `invoke recipes` lists"
    )


def test_a_torchvision_is_named_with_its_version(tmp_path: Path) -> None:
    shop = open_shop()
    a_torchvision_of_another_line(shop)
    assert told(shop.audit(tmp_path), "torchvision") == "take torchvision 0.23.0"


def test_a_torch_npu_is_named_with_its_releases(tmp_path: Path) -> None:
    shop = open_shop()
    a_torch_npu_of_another_line(shop)
    assert told(shop.audit(tmp_path), "torch-npu") == "take torch_npu 2.8.0.post4, 2.8.0.post2, 2.8.0"


def test_a_proposed_command_is_about_the_cell_that_was_audited(tmp_path: Path) -> None:
    shop = open_shop()
    pybind11_left_out_under_triton(shop)
    shop.hold_to(cell=CELL)
    report = shop.audit(tmp_path)
    assert f"`invoke lock --upgrade {WORDS}`" in told(report, "missing-module")


def test_an_import_that_only_an_extra_declares_is_named_under_undeclared(tmp_path: Path) -> None:
    """Locking again would not bring it."""
    shop = open_shop()
    shop.wheels["numpy"].files["numpy/__init__.py"] = "import wheelbarrow\n"
    shop.wheels["numpy"].metadata = ["Provides-Extra: plot", 'Requires-Dist: wheelbarrow; extra == "plot"']
    repair = told(shop.audit(tmp_path), "missing-module")
    assert repair.startswith(
        "name wheelbarrow under `undeclared` of the recipe whose component requires numpy, then "
    )


# Wheels by themselves


@pytest.fixture
def pair() -> Shop:
    """Return torch and torch_npu, which fit each other and need much that is not beside them."""
    shop = open_shop()
    shop.wheels["torch"].metadata = ["Requires-Dist: filelock", "Requires-Dist: sympy>=1.13"]
    shop.wheels = {name: shop.wheels[name] for name in ("torch", "torch_npu")}
    return shop


def audited(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `invoke audit` on the wheels of a folder."""
    wheels = map(str, sorted(folder.glob("*.whl")))
    command = [sys.executable, "-m", "invoke", "audit", *options, "--", *wheels]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "WHEELHOUSE_STORE": str(folder / "store")}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@needs_compiler
def test_two_wheels_that_fit_are_told_how_to_be_judged_alone_and_are_then_clean(
    tmp_path: Path, pair: Shop
) -> None:
    pair.audit(tmp_path)
    whole = audited(tmp_path)
    assert whole.returncode == 7
    (line,) = [line for line in whole.stdout.splitlines() if line.startswith("next, if these wheels")]
    proposed = line.partition(": ")[2]
    assert proposed.startswith("invoke audit --pair -- ")
    alone = audited(tmp_path, "--pair")
    assert alone.returncode == 0, alone.stdout
    assert "filelock, sympy" in alone.stdout
    assert "1 symbol of 1 library is left to the host" in alone.stdout
    assert "2 wheels: clean, " in alone.stdout


@needs_compiler
def test_two_wheels_that_do_not_fit_are_a_defect_alone_too(tmp_path: Path, pair: Shop) -> None:
    a_torch_symbol_of_another_line(pair)
    pair.hold_to(alone=True)
    report = pair.audit(tmp_path)
    assert {one.rule for one in report.of("error")} == {"missing-symbols"}


@needs_compiler
def test_a_wheel_without_its_torch_is_not_held_to_torchs_symbols(tmp_path: Path) -> None:
    shop = open_shop()
    shop.wheels = {"torch_npu": shop.wheels["torch_npu"]}
    shop.hold_to(alone=True)
    report = shop.audit(tmp_path)
    assert report.clean
    assert {one.rule for one in report.of("note")} >= {"not-given"}


def test_a_requirement_of_the_other_wheel_counts_alone_too(tmp_path: Path) -> None:
    for draft in (
        WheelDraft(name="one", files={"one.py": ""}, metadata=["Requires-Dist: other>=2"]),
        WheelDraft(name="other", files={"other.py": ""}),
    ):
        draft.write(tmp_path)
    done = audited(tmp_path, "--pair")
    assert done.returncode == 7
    assert "next, one-1.0: take other>=2, or a release of one that takes other 1.0" in done.stdout

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ascend_wheelhouse.cells.artefact_name import facts_of, recipes_for
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.package import file_name
from ascend_wheelhouse.cells.recipe import UrlOrigin
from ascend_wheelhouse.cells.recipe_files import load_recipes
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.folder.manifest import packages

RECIPES = load_recipes(Path(__file__).parents[2] / "recipes")
PACKED = ["ops-transformer"]
PAYLOADS = sorted(
    name for name, recipe in RECIPES.items() if recipe.install is not None and name not in PACKED
)
KERNELS = {
    ("8.3.RC2", "a3"): "Atlas-A3-cann-kernels_8.3.RC2_linux-{machine}.run",
    ("8.3.RC2", "910b"): "Ascend-cann-kernels-910b_8.3.RC2_linux-{machine}.run",
    ("8.5.0", "a3"): "Ascend-cann-A3-ops_8.5.0_linux-{machine}.run",
    ("8.5.0", "910b"): "Ascend-cann-910b-ops_8.5.0_linux-{machine}.run",
    ("9.1.0", "a3"): "Ascend-cann-A3-ops_9.1.0_linux-{machine}.run",
    ("9.1.0", "910b"): "Ascend-cann-910b-ops_9.1.0_linux-{machine}.run",
    ("9.1.0", "950"): "Ascend-cann-950-ops_9.1.0_linux-{machine}.run",
}
CELLS = [(cann, npu, machine) for cann, npu in KERNELS for machine in ("aarch64", "x86_64")]


GUIDES = ("a3", "910b")


def _cell(cann: str, npu: str, machine: str) -> Cell:
    components = dict.fromkeys(PAYLOADS, cann) | {"bisheng": "20251121", "custom-ops-run": "8.2.0.0"}
    return Cell(
        stack="s", target=Target.named(machine, npu), cann=cann, components=components | {"torch": "2.8.0"}
    )


@pytest.mark.parametrize(("cann", "npu", "machine"), CELLS)
def test_every_package_has_the_name_that_upstream_gives_it(cann: str, npu: str, machine: str) -> None:
    """The names are those of the build files of upstream's own images, as the recipes cite them."""
    cell = _cell(cann, npu, machine)
    expected = {
        "cann-toolkit": f"Ascend-cann-toolkit_{cann}_linux-{machine}.run",
        "cann-kernels": KERNELS[cann, npu].format(machine=machine),
        "nnal": f"Ascend-cann-nnal_{cann}_linux-{machine}.run",
        "bisheng": f"Ascend-BiSheng-toolkit_{machine}_20251121.run",
        "custom-ops-run": f"CANN-custom_ops-8.2.0.0-{npu}-linux.{machine}.run" if npu in GUIDES else None,
    }
    assert {
        name: file_name(RECIPES[name].names, cell, cell.components[name]) for name in PAYLOADS
    } == expected


@pytest.mark.parametrize(("cann", "npu", "machine"), CELLS)
def test_an_imported_package_is_recognised_with_its_cell(cann: str, npu: str, machine: str) -> None:
    cell = _cell(cann, npu, machine)
    for component in PAYLOADS:
        if (name := file_name(RECIPES[component].names, cell, cell.components[component])) is None:
            continue
        assert [recipe.name for recipe in recipes_for(name, RECIPES)] == [component]
        told = facts_of(name, RECIPES[component])
        assert (told.version, told.machine) == (cell.components[component], machine)
        assert told.npu == (npu if RECIPES[component].chip_specific else "")


@pytest.mark.parametrize(("cann", "npu", "machine"), CELLS)
def test_the_manifest_tells_the_installer_the_same_names(cann: str, npu: str, machine: str) -> None:
    cell = _cell(cann, npu, machine)
    kinds = packages(cell, RECIPES)
    assert [kind["component"] for kind in sorted(kinds, key=lambda kind: kind["order"])] == [
        "cann-toolkit",
        "cann-kernels",
        "nnal",
        "bisheng",
        "custom-ops-run",
    ]
    for kind in kinds:
        component = kind["component"]
        if (name := file_name(RECIPES[component].names, cell, cell.components[component])) is None:
            continue
        assert any(re.fullmatch(one["pattern"], name) for one in kind["names"]), name


@pytest.mark.parametrize("component", PAYLOADS)
def test_an_origin_takes_its_file_name_from_the_table(component: str) -> None:
    urls = [origin.url for origin in RECIPES[component].origins if isinstance(origin, UrlOrigin)]
    assert urls
    assert all(urlsplit(url).path.endswith("/{filename}") for url in urls)


@pytest.mark.parametrize("component", ["custom-ops-run", "ops-transformer"])
def test_a_package_of_a_release_archive_has_neither_release_nor_chip_in_its_name(component: str) -> None:
    """One name for every release and chip: the archive tells both, the installer reads the machine off the name."""
    target = Target.named("aarch64", "910b", python="3.12")
    components = {"torch": "2.10.0", component: "2026.9.0.post9"}
    cell = Cell(stack="s", target=target, cann="9.1.0", components=components)
    name = file_name(RECIPES[component].names, cell, "2026.9.0.post9") or ""
    assert name.endswith(("linux-aarch64.run", "linux.aarch64.run"))
    told = facts_of(name, RECIPES[component])
    assert (told.version, told.npu, told.machine) == ("", "", "aarch64")
    (kind,) = packages(cell, RECIPES)
    assert any(re.fullmatch(one["pattern"], name) for one in kind["names"])
    assert kind["into"] == "opp"


@pytest.mark.parametrize("component", [*PAYLOADS, *PACKED])
def test_every_name_says_where_it_was_read(component: str) -> None:
    assert all(name.source for name in RECIPES[component].names)


@pytest.mark.parametrize(
    "filename",
    [
        "Ascend-cann-kernels-a3_8.3.RC2_linux-aarch64.run",
        "Ascend-cann-a3-ops_8.5.0_linux-aarch64.run",
        "Ascend-cann-toolkit_8.3.RC2_linux-riscv64.run",
        "Ascend-cann-toolkit_8.3.RC2_linux-aarch64.run.1",
    ],
)
def test_a_name_that_upstream_does_not_use_is_no_packages(filename: str) -> None:
    assert recipes_for(filename, RECIPES) == []

import os
import shlex
import subprocess
import tarfile
from pathlib import Path

import pytest
from making_packages import makeself
from tiny_wheels import write_wheel

from ascend_wheelhouse.cells.artefact_name import NameFacts
from ascend_wheelhouse.cells.recipe import Recipes
from ascend_wheelhouse.cells.recipe_files import load_recipes
from ascend_wheelhouse.handover.right_kind import OddNameError, WrongKindError
from ascend_wheelhouse.handover.sound_source import DamagedSourceError
from ascend_wheelhouse.handover.untold import UntoldFactError
from ascend_wheelhouse.handover.vendor import vendor_file
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import list_vendored


@pytest.fixture(scope="module")
def recipes() -> Recipes:
    """Return the project's own recipes."""
    return load_recipes(Path(__file__).parents[2] / "recipes")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return an empty store."""
    return Store(tmp_path / "store")


def _source(folder: Path, name: str, *members: str) -> Path:
    path = folder / name
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            (folder / "member").write_bytes(os.urandom(4000))
            archive.add(folder / "member", member)
    return path


@pytest.mark.parametrize("left", [0.3, 0.6, 0.999])
def test_a_source_archive_that_was_cut_short_is_refused(
    store: Store, recipes: Recipes, tmp_path: Path, left: float
) -> None:
    """Only the build would have said so, on a host that may reach no other."""
    path = _source(tmp_path, "sglang-0.5.23.tar.gz", "sglang-0.5.23/a", "sglang-0.5.23/b")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * left)])
    with pytest.raises(DamagedSourceError, match=r"cannot be read to its end"):
        vendor_file(path, store=store, recipes=recipes)
    assert list_vendored(store) == []


@pytest.mark.parametrize("members", [(), ("README.md",), ("a/x", "b/x")])
def test_an_archive_without_one_project_folder_is_refused(
    store: Store, recipes: Recipes, tmp_path: Path, members: tuple[str, ...]
) -> None:
    path = _source(tmp_path, "sglang-0.5.23.tar.gz", *members)
    with pytest.raises(DamagedSourceError, match=r"entries at its top"):
        vendor_file(path, store=store, recipes=recipes)


@pytest.mark.parametrize(
    ("filename", "component"),
    [
        ("notes.md", "cann-toolkit"),
        ("notes.md", "torch-npu"),
        ("toolkit.tar.gz", "cann-toolkit"),
        ("nnal.whl", "nnal"),
        ("torch_npu.run", "torch-npu"),
        ("torch.tar.gz", "torch"),
    ],
)
def test_a_file_that_cannot_be_its_component_is_refused_whatever_is_said(
    store: Store, recipes: Recipes, tmp_path: Path, filename: str, component: str
) -> None:
    """A text that passes for CANN would be carried to the nodes as a payload of a complete wheelhouse."""
    path = tmp_path / filename
    path.write_bytes({"gz": b"\x1f\x8b", "whl": b"PK", "run": b"#!"}.get(path.suffix[1:], b"") + b"text")
    stated = NameFacts(version="8.5.0", machine="aarch64")
    with pytest.raises(WrongKindError, match=f"{filename} is no file of {component}: those end in "):
        vendor_file(path, store=store, recipes=recipes, component=component, stated=stated)
    assert list_vendored(store) == []


def test_the_wheel_of_one_project_is_not_taken_for_that_of_another(
    store: Store, recipes: Recipes, tmp_path: Path
) -> None:
    path = write_wheel(tmp_path, "deep_ep-1.0.0-cp311-cp311-linux_aarch64.whl")
    stated = NameFacts(version="20251206", npu="a3")
    with pytest.raises(WrongKindError, match=r"is a wheel of deep-ep, and those of sgl-kernel-npu"):
        vendor_file(path, store=store, recipes=recipes, component="sgl-kernel-npu", stated=stated)


def test_a_renamed_package_is_taken_once_its_release_and_architecture_are_told(
    store: Store, recipes: Recipes, tmp_path: Path
) -> None:
    """With nothing told, the toolkit of one architecture and release was taken for every other."""
    path = tmp_path / "toolkit.run"
    path.write_bytes(makeself(b"payload"))
    with pytest.raises(
        UntoldFactError, match=r"which release of cann-toolkit it is\.(.|\n)*which architecture"
    ) as told:
        vendor_file(path, store=store, recipes=recipes, component="cann-toolkit")
    command = f"invoke vendor {path} --component cann-toolkit --version RELEASE --platform ARCHITECTURE"
    assert told.value.next_step.startswith(command)
    assert list_vendored(store) == []
    stated = NameFacts(version="8.5.0", machine="x86_64")
    (record,) = vendor_file(path, store=store, recipes=recipes, component="cann-toolkit", stated=stated)
    assert (record.kind, record.facts) == ("payload", stated)


def test_a_source_archive_under_a_short_name_is_a_source(
    store: Store, recipes: Recipes, tmp_path: Path
) -> None:
    path = _source(tmp_path, "sglang.tgz", "sglang-0.5.23/pyproject.toml")
    stated = NameFacts(version="0.5.23")
    (record,) = vendor_file(path, store=store, recipes=recipes, component="sglang", stated=stated)
    assert record.kind == "source"


@pytest.mark.parametrize("mark", [" (1)", "(2)", " copy"])
@pytest.mark.parametrize(
    "name", ["Ascend-cann-toolkit_8.3.RC2_linux-aarch64.run", "decorator-5.1.1-py3-none-any.whl"]
)
def test_a_name_to_which_a_browser_added_a_number_is_refused_with_the_right_one(
    store: Store, recipes: Recipes, tmp_path: Path, name: str, mark: str
) -> None:
    """No bundle holds such a path, and pip takes no wheel of that name."""
    stem, dot, end = name.rpartition(".")
    path = tmp_path / f"{stem}{mark}{dot}{end}"
    if end == "whl":
        write_wheel(tmp_path, name).rename(path)
    else:
        path.write_bytes(makeself(b"payload"))
    with pytest.raises(OddNameError, match=r"is no name that a wheelhouse can hold") as told:
        vendor_file(path, store=store, recipes=recipes)
    assert list_vendored(store) == []
    subprocess.run(shlex.split(told.value.next_step.partition(", then")[0]), check=True)
    (record,) = vendor_file(tmp_path / name, store=store, recipes=recipes)
    assert record.filename == name

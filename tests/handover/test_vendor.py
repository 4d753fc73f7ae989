import hashlib
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from making_packages import makeself
from tiny_wheels import write_wheel

from ascend_wheelhouse.base import errors
from ascend_wheelhouse.base.events import Event, Note
from ascend_wheelhouse.cells.artefact_name import NameFacts, facts_of, recipes_for
from ascend_wheelhouse.cells.recipe import Recipes
from ascend_wheelhouse.cells.recipe_files import load_recipes
from ascend_wheelhouse.handover.untold import UntoldFactError
from ascend_wheelhouse.handover.vendor import (
    ClosedWheelNameError,
    DamagedArtefactError,
    IncrementalWheelError,
    OtherCellError,
    UnknownArtefactError,
    VendoredHashError,
    VendorFileMissingError,
    vendor_file,
)
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import find_vendored, list_vendored, vendored_record
from ascend_wheelhouse.wheels.admission import NotMakeselfError
from ascend_wheelhouse.wheels.wheel_names import WheelNamesDifferError

RECIPES = Path(__file__).parents[2] / "recipes"
TOOLKIT = "Ascend-cann-toolkit_8.3.RC2_linux-aarch64.run"
ZIP = "sgl-kernel-npu_2026.01.21_8.5.0_a3.zip"
KERNEL_WHEEL = "sgl_kernel_npu-2026.1.21-cp311-cp311-linux_aarch64.whl"
DEEP_EP_WHEEL = "deep_ep-1.0.0+3f61eab6-cp311-cp311-linux_aarch64.whl"


@pytest.fixture(scope="module")
def recipes() -> Recipes:
    """Return the project's own recipes."""
    return load_recipes(RECIPES)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return an empty store."""
    return Store(tmp_path / "store")


def _run_package(folder: Path, name: str, text: str = "payload") -> Path:
    path = folder / name
    path.write_bytes(makeself(text.encode()))
    return path


def _release(folder: Path, name: str = ZIP, *members: str) -> Path:
    with zipfile.ZipFile(folder / name, "w") as archive:
        for member in members or (KERNEL_WHEEL, DEEP_EP_WHEEL):
            archive.write(write_wheel(folder, member), f"output/{member}")
        archive.writestr("output/README.md", "hello")
    return folder / name


@pytest.mark.parametrize(
    ("filename", "component", "facts"),
    [
        (TOOLKIT, "cann-toolkit", NameFacts(version="8.3.RC2", machine="aarch64")),
        (
            "Ascend-cann-kernels-910b_8.3.RC2_linux-aarch64.run",
            "cann-kernels",
            NameFacts(version="8.3.RC2", machine="aarch64", npu="910b"),
        ),
        (
            "Ascend-cann-910b-ops_9.0.1_linux-x86_64.run",
            "cann-kernels",
            NameFacts(version="9.0.1", machine="x86_64", npu="910b"),
        ),
        (
            "Ascend-BiSheng-toolkit_aarch64_20251121.run",
            "bisheng",
            NameFacts(version="20251121", machine="aarch64"),
        ),
        (
            "CANN-custom_ops-8.2.0.0-a3-linux.aarch64.run",
            "custom-ops-run",
            NameFacts(version="8.2.0.0", machine="aarch64", npu="a3"),
        ),
        (
            "custom_ops-1.0.910b-cp311-cp311-linux_aarch64.whl",
            "custom-ops",
            NameFacts(version="1.0", machine="aarch64", npu="910b", python_tag="cp311"),
        ),
        (
            "torch_npu-2.8.0.post2-cp311-cp311-manylinux_2_28_aarch64.whl",
            "torch-npu",
            NameFacts(version="2.8.0.post2", machine="aarch64", python_tag="cp311"),
        ),
    ],
)
def test_a_publishers_file_name_tells_its_component_and_cell(
    recipes: Recipes, filename: str, component: str, facts: NameFacts
) -> None:
    assert [recipe.name for recipe in recipes_for(filename, recipes)] == [component]
    assert facts_of(filename, recipes[component]) == facts


def test_a_payload_is_kept_and_found_for_its_cell_alone(
    store: Store, recipes: Recipes, tmp_path: Path
) -> None:
    path = _run_package(tmp_path, TOOLKIT)
    (record,) = vendor_file(path, store=store, recipes=recipes)
    found = find_vendored(store, "cann-toolkit", version="8.3.rc2", machine="aarch64", npu="a3")
    assert found is not None
    assert found.read_bytes() == path.read_bytes()
    assert (record.kind, record.licence) == ("payload", recipes["cann-toolkit"].licence)
    assert find_vendored(store, "cann-toolkit", version="8.5.0", machine="aarch64", npu="a3") is None
    assert find_vendored(store, "cann-toolkit", version="8.3.RC2", machine="x86_64", npu="a3") is None


def test_a_release_archive_is_opened_and_its_tag_names_the_wheels(
    store: Store, recipes: Recipes, tmp_path: Path
) -> None:
    records = vendor_file(_release(tmp_path), store=store, recipes=recipes)
    assert [(record.component, record.facts.version, record.facts.npu) for record in records] == [
        ("deep-ep", "2026.01.21", "a3"),
        ("sgl-kernel-npu", "2026.01.21", "a3"),
    ]
    assert records[0].origin == f"{ZIP}!output/{DEEP_EP_WHEEL}"
    cell = NameFacts(version="2026.01.21", machine="aarch64", npu="a3", cann="8.5.0", python_tag="cp311")
    assert vendored_record(store, "deep-ep", cell) == records[0]
    assert vendored_record(store, "deep-ep", NameFacts(cann="8.3.RC2")) is None
    assert vendored_record(store, "deep-ep", NameFacts(npu="910b")) is None
    assert vendored_record(store, "deep-ep", NameFacts(python_tag="cp312")) is None
    assert list_vendored(store) == list(records)


def test_packages_of_no_recipe_in_an_archive_are_told_and_left_out(
    store: Store, recipes: Recipes, tmp_path: Path
) -> None:
    said: list[Event] = []
    stranger = "attentions-0.1-py3-none-any.whl"
    vendor_file(
        _release(tmp_path, ZIP, KERNEL_WHEEL, stranger), store=store, recipes=recipes, emit=said.append
    )
    assert said == [
        Note(text=f"output/{stranger} in {ZIP} belongs to no recipe and is left out", level="warning")
    ]


def test_a_newer_file_for_the_same_cell_takes_the_place_of_the_earlier(
    store: Store, recipes: Recipes, tmp_path: Path
) -> None:
    vendor_file(_run_package(tmp_path, TOOLKIT, "one"), store=store, recipes=recipes)
    (second,) = vendor_file(_run_package(tmp_path, TOOLKIT, "two"), store=store, recipes=recipes)
    assert list_vendored(store) == [second]


def test_a_wheel_of_no_recipe_is_kept_for_the_lock_to_ask_for(
    store: Store, recipes: Recipes, tmp_path: Path
) -> None:
    path = write_wheel(tmp_path, "decorator-5.1.1-py3-none-any.whl")
    (record,) = vendor_file(path, store=store, recipes=recipes)
    assert record.component == ""
    assert store.has(hashlib.sha256(path.read_bytes()).hexdigest())


def test_a_chip_specific_wheel_needs_its_chip_and_release_told(
    store: Store, recipes: Recipes, tmp_path: Path
) -> None:
    path = write_wheel(tmp_path, DEEP_EP_WHEEL)
    with pytest.raises(UntoldFactError, match=r"which release of deep-ep(.|\n)*does not say which\.") as told:
        vendor_file(path, store=store, recipes=recipes)
    assert told.value.next_step.startswith(f"invoke vendor {path} --version TAG --npu a3")
    stated = NameFacts(npu="910b", cann="8.5.0", python_tag="cp311")
    with pytest.raises(UntoldFactError, match=r"which release of deep-ep") as told:
        vendor_file(path, store=store, recipes=recipes, stated=stated)
    options = "--version TAG --npu 910b --cann 8.5.0 --python 3.11"
    assert told.value.next_step.startswith(f"invoke vendor {path} {options}, or ")
    stated = NameFacts(npu="a3", version="20251206")
    (record,) = vendor_file(path, store=store, recipes=recipes, stated=stated)
    assert record.facts == NameFacts(version="20251206", machine="aarch64", npu="a3", python_tag="cp311")


def test_what_an_archive_does_not_tell_is_asked_for_the_archive(
    store: Store, recipes: Recipes, tmp_path: Path
) -> None:
    path = tmp_path / "a b" / "kernels.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(write_wheel(tmp_path, DEEP_EP_WHEEL), f"output/{DEEP_EP_WHEEL}")
    with pytest.raises(UntoldFactError) as told:
        vendor_file(path, store=store, recipes=recipes)
    assert told.value.next_step.startswith(f"invoke vendor '{path}' --version TAG --npu a3")


def test_a_fact_told_twice_and_differently_is_refused(store: Store, recipes: Recipes, tmp_path: Path) -> None:
    with pytest.raises(
        OtherCellError, match=r"is for 2026\.01\.21, .*, a3, aarch64; the command is about 910b\."
    ):
        vendor_file(_release(tmp_path), store=store, recipes=recipes, stated=NameFacts(npu="910b"))
    with pytest.raises(UntoldFactError, match=r"Unknown NPU chip '910c'"):
        vendor_file(_release(tmp_path), store=store, recipes=recipes, stated=NameFacts(npu="910c"))


def test_the_cuda_wheel_of_a_closed_name_is_refused(store: Store, recipes: Recipes, tmp_path: Path) -> None:
    path = write_wheel(tmp_path, "sglang-0.5.6.post2-py3-none-any.whl")
    with pytest.raises(ClosedWheelNameError, match=r"only recipe sglang supplies"):
        vendor_file(path, store=store, recipes=recipes)


def test_files_that_are_not_what_their_names_say_are_refused(
    store: Store, recipes: Recipes, tmp_path: Path
) -> None:
    page = tmp_path / TOOLKIT
    page.write_text("<html>sign in</html>")
    empty = tmp_path / KERNEL_WHEEL
    empty.touch()
    renamed = write_wheel(tmp_path, "mf_adapter-1.0.0-py3-none-any.whl", name="something-else")
    for path in (page, empty, renamed):
        with pytest.raises(DamagedArtefactError):
            vendor_file(path, store=store, recipes=recipes)
    assert list_vendored(store) == []


@pytest.mark.parametrize("archived", [False, True])
def test_a_wheel_of_another_release_inside_is_refused_alone_and_in_an_archive(
    store: Store, recipes: Recipes, tmp_path: Path, *, archived: bool
) -> None:
    """Pip and uv refuse it on the node."""
    name = DEEP_EP_WHEEL if archived else "mf_adapter-1.0.0-py3-none-any.whl"
    path = write_wheel(tmp_path, name, version="0.9")
    if archived:
        archive = tmp_path / ZIP
        with zipfile.ZipFile(archive, "w") as file:
            file.write(path, f"output/{path.name}")
        path = archive
    with pytest.raises(WheelNamesDifferError, match=r"its METADATA says \w+ 0\.9\."):
        vendor_file(path, store=store, recipes=recipes)
    assert list_vendored(store) == []


def test_an_archive_cut_short_leaves_no_record(store: Store, recipes: Recipes, tmp_path: Path) -> None:
    path = _release(tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DamagedArtefactError, match=r"cannot be read to its end"):
        vendor_file(path, store=store, recipes=recipes)
    assert list_vendored(store) == []


def test_an_archive_with_one_damaged_member_leaves_no_record(
    store: Store, recipes: Recipes, tmp_path: Path
) -> None:
    path = _release(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"VERSION = ", b"VERSIOM = ", 2))
    with pytest.raises(DamagedArtefactError, match=r"Bad CRC-32"):
        vendor_file(path, store=store, recipes=recipes)
    assert list_vendored(store) == []


def test_a_stated_hash_is_held(store: Store, recipes: Recipes, tmp_path: Path) -> None:
    path = _run_package(tmp_path, TOOLKIT)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(VendoredHashError, match=digest):
        vendor_file(path, store=store, recipes=recipes, sha256="0" * 64)
    assert vendor_file(path, store=store, recipes=recipes, sha256=digest.upper())


def test_unknown_files_and_components_are_told_what_is_known(
    store: Store, recipes: Recipes, tmp_path: Path
) -> None:
    with pytest.raises(VendorFileMissingError):
        vendor_file(tmp_path / "no.run", store=store, recipes=recipes)
    stranger = _run_package(tmp_path, "driver.run")
    with pytest.raises(UnknownArtefactError, match=r"Ascend-cann-toolkit_\*_linux-\*\.run"):
        vendor_file(stranger, store=store, recipes=recipes)
    with pytest.raises(UnknownArtefactError, match=r"no component 'cann'(.|\n)*cann-toolkit"):
        vendor_file(stranger, store=store, recipes=recipes, component="cann")
    stated = NameFacts(version="8.3.RC2", machine="aarch64")
    (record,) = vendor_file(stranger, store=store, recipes=recipes, component="nnal", stated=stated)
    assert record.component == "nnal"
    with pytest.raises(UnknownArtefactError, match=r"holds no file"):
        vendor_file(_release(tmp_path, "x.zip", "a-1-py3-none-any.whl"), store=store, recipes=recipes)


def _bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a/zeros", "w") as stream:
        for _ in range(80):
            stream.write(bytes(1 << 20))


def _climbing(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../../../evil", b"x")


def _out_of_its_scheme(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("numpy-2.0.data/data/../../evil", b"x")


@pytest.mark.parametrize("hostile", [_bomb, _climbing, _out_of_its_scheme])
@pytest.mark.parametrize("packed", [False, True])
def test_hostile_archives_are_refused_everywhere(
    tmp_path: Path, store: Store, recipes: Recipes, *, hostile: Callable[[Path], None], packed: bool
) -> None:
    """A wheel on its own, a release archive, and a wheel in a sound release archive."""
    name = KERNEL_WHEEL
    path = tmp_path / name
    hostile(path)
    if packed:
        inner, path = path, tmp_path / ZIP
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(inner, name)
    stated = NameFacts(npu="a3", version="2026.01.21")
    with pytest.raises(errors.IntegrityError):
        vendor_file(path, store=store, recipes=recipes, stated=stated)
    assert list(store.blobs()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"#!/bin/sh\nexit 0\n",
        makeself()[:-1],
        makeself() + b"x",
        makeself(b"abc")[:-3] + b"abd",
        makeself().replace(b'filesizes="', b'filesizes="' + b"9" * 5000),
    ],
    ids=["a script", "cut short", "too long", "changed", "a number of 5,000 digits"],
)
def test_a_package_that_is_not_what_makeself_wrote_is_refused_unrun(
    tmp_path: Path, store: Store, recipes: Recipes, content: bytes
) -> None:
    path = tmp_path / TOOLKIT
    path.write_bytes(content)
    with pytest.raises(NotMakeselfError):
        vendor_file(path, store=store, recipes=recipes)
    assert list(store.blobs()) == []


@pytest.mark.skipif(shutil.which("makeself") is None, reason="makeself is not installed")
def test_a_package_of_the_real_makeself_is_taken(tmp_path: Path, store: Store, recipes: Recipes) -> None:
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "install.sh").write_text("exit 0\n")
    words = [
        "makeself",
        "--sha256",
        str(tmp_path / "content"),
        str(tmp_path / TOOLKIT),
        "label",
        "./install.sh",
    ]
    subprocess.run(words, check=True, capture_output=True)
    assert vendor_file(tmp_path / TOOLKIT, store=store, recipes=recipes)


def test_the_wheel_of_an_incremental_build_is_refused_alone_and_in_an_archive(
    tmp_path: Path, store: Store, recipes: Recipes
) -> None:
    name = DEEP_EP_WHEEL.replace("-cp311-cp311", "-0incremental-cp311-cp311")
    for path in (write_wheel(tmp_path, name), _release(tmp_path, ZIP, KERNEL_WHEEL, name)):
        with pytest.raises(IncrementalWheelError, match="is the wheel of an incremental build") as caught:
            vendor_file(path, store=store, recipes=recipes)
        assert "without --incremental" in caught.value.next_step
    assert list_vendored(store) == []

"""A folder that holds bundles, such as the one that `invoke bundle` writes to, is named where a bundle was meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, run_installer

from ascend_wheelhouse.bundle.command import bundle_command
from ascend_wheelhouse.node.reading.sources import find_parts


@pytest.mark.parametrize(
    ("files", "named"),
    [
        (["a.tar", ".state/serials"], "a.tar"),
        (["a.tar.001", "a.tar.002"], "a.tar.001"),
        (["a.oci/oci-layout"], "a.oci"),
        (["b.tar", "a.tar.001", "c.oci/oci-layout"], "a.tar.001"),
    ],
    ids=["a file", "parts", "an image", "several"],
)
def test_the_bundles_in_a_folder_are_named(tmp_path: Path, files: list[str], named: str) -> None:
    house = SmallWheelhouse().write(tmp_path / "house")
    folder = tmp_path / "bundles"
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(b"x")
    answer = run_installer(house, "--bundle", folder, "--prefix", tmp_path / "npu", "--insecure-no-signature")
    assert (answer.status, answer.facts["error"]) == (2, "FolderOfBundlesError")
    assert answer.facts["next"].endswith(f"{folder}/{named}")
    assert "do not use this bundle" not in answer.talk


def test_a_folder_with_a_manifest_is_judged_as_a_bundle_whatever_lies_beside_it(tmp_path: Path) -> None:
    house = SmallWheelhouse().write(tmp_path / "house")
    (house / "a.tar").write_bytes(b"x")
    answer = run_installer(house, "--bundle", house, "--prefix", tmp_path / "npu", "--insecure-no-signature")
    assert (answer.status, answer.facts["error"]) == (5, "ExtraMemberError")


def _bundle(folder: Path, name: str) -> Path:
    house = SmallWheelhouse(stack=name).write(folder / name)
    made = bundle_command(house, out=folder / f"{name}.tar", sign_key=None, serial=1, allow_incomplete=True)
    return made.paths[0]


def test_two_bundles_where_one_is_meant_are_told_as_two_and_not_as_tampered(tmp_path: Path) -> None:
    house = SmallWheelhouse().write(tmp_path / "house")
    newer, older = _bundle(tmp_path, "b3"), _bundle(tmp_path, "b1")
    words = ("--prefix", tmp_path / "npu", "--insecure-no-signature", "--bundle")
    for given in ((newer, older), (newer, older, house), (older, older)):
        answer = run_installer(house, *words, *given)
        assert (answer.status, answer.facts["error"]) == (2, "SeveralBundlesError"), answer.talk
        assert answer.facts["what"].startswith(
            f"These are {len(given)} bundles: {given[0].name}, {given[1].name}"
        )
        assert answer.facts["next"].endswith(f"--bundle {given[0]}")
        assert "do not use this bundle" not in answer.talk


def test_a_folder_among_the_parts_of_a_bundle_is_no_part(tmp_path: Path) -> None:
    house = SmallWheelhouse().write(tmp_path / "house")
    part = tmp_path / "b.tar.002"
    part.write_bytes(b"x")
    words = ("--prefix", tmp_path / "npu", "--insecure-no-signature", "--bundle", part, house)
    answer = run_installer(house, *words)
    assert (answer.status, answer.facts["error"]) == (2, "SeveralBundlesError"), answer.talk
    assert answer.facts["what"] == "house is a folder, and no part of a bundle."


def test_a_copy_that_is_kept_under_its_date_is_no_part_and_a_bundle_of_its_own(tmp_path: Path) -> None:
    names = ("x.tar.001", "x.tar.002", "x.tar.20261129")
    first, second, kept = (tmp_path / name for name in names)
    for path in (first, second, kept):
        path.touch()
    assert find_parts(first) == find_parts(tmp_path / "x.tar") == [first, second]
    assert find_parts(kept) == [kept]

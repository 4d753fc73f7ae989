"""A folder that holds bundles, such as the one that `invoke bundle` writes to, is named where a bundle was meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, run_installer


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

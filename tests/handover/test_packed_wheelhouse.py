"""A bundle that is given where a file is imported: it is told as that, with the command that takes it in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from bundle_fixtures import Draft, join

from ascend_wheelhouse.folder.signing import generate_key
from ascend_wheelhouse.handover.right_kind import PackedWheelhouseError
from ascend_wheelhouse.handover.vendor import vendor_file
from ascend_wheelhouse.store.store import Store


def refused(path: Path, folder: Path) -> str:
    """Return the first two of the commands that the refusal proposes: they unpack."""
    with pytest.raises(PackedWheelhouseError, match="is a bundle") as caught:
        vendor_file(path, store=Store(folder / "store"), recipes={})
    unpack, _, taken = caught.value.next_step.strip("`").rpartition(" && ")
    assert taken == "invoke vendor carried"
    return unpack


@pytest.mark.parametrize("name", ["small-aarch64.tar", "with a blank.tar"])
def test_a_bundle_is_told_as_that_with_what_unpacks_it(tmp_path: Path, name: str) -> None:
    draft = Draft(signer=generate_key(tmp_path / "key"))
    (tmp_path / name).write_bytes(join(draft.members()))
    subprocess.run(["sh", "-c", refused(tmp_path / name, tmp_path)], cwd=tmp_path, check=True)
    assert (tmp_path / "carried/manifest.json").read_bytes() == draft.manifest


def test_the_first_part_of_a_split_bundle_names_all_parts(tmp_path: Path) -> None:
    draft = Draft(signer=generate_key(tmp_path / "key"))
    whole = join(draft.members())
    for number, piece in enumerate((whole[:2000], whole[2000:]), 1):
        (tmp_path / f"small.tar.{number:03d}").write_bytes(piece)
    subprocess.run(["sh", "-c", refused(tmp_path / "small.tar.001", tmp_path)], cwd=tmp_path, check=True)
    assert (tmp_path / "carried/manifest.json").read_bytes() == draft.manifest

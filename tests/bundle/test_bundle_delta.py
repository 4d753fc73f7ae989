from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from bundle_fixtures import FILES, NPU, TORCH, write_wheelhouse

from ascend_wheelhouse.base import errors
from ascend_wheelhouse.bundle import delta as deltas
from ascend_wheelhouse.bundle.command import (
    BundleResult,
    bundle_command,
    list_bundle,
    rebuild_bundle,
    verify_bundle,
)
from ascend_wheelhouse.folder.manifest import DeltaFolderError
from ascend_wheelhouse.folder.signing import Signer
from ascend_wheelhouse.handover.vendor_wheelhouse import vendor_wheelhouse
from ascend_wheelhouse.node.reading.bundle_reader import DeltaBaseError, open_bundle
from ascend_wheelhouse.node.reading.opened import ManifestAloneError, MissingMemberError
from ascend_wheelhouse.node.reading.strict import NewerBundleError
from ascend_wheelhouse.store.store import Store

CHANGED = {
    TORCH: b"newer torch" * 999,
    NPU: b"newer npu" * 999,
    "wheels/new-2-py3-none-any.whl": b"new" * 500,
}
NEW = {**FILES, **CHANGED, "sbom.cdx.json": b'{"new": true}\n', "requirements.aarch64.txt": b"torch==2.9\n"}
SMALL = {"install.py", "sbom.cdx.json", "requirements.aarch64.txt"}


@pytest.fixture
def old(tmp_path: Path, signer: Signer) -> BundleResult:
    """The bundle that nodes have."""
    folder = write_wheelhouse(tmp_path / "old")
    return bundle_command(folder, out=tmp_path / "old.tar", sign_key=signer.path, serial=1)


@pytest.fixture
def whole(tmp_path: Path, signer: Signer) -> BundleResult:
    """The new bundle, packed whole."""
    folder = write_wheelhouse(tmp_path / "new", NEW)
    return bundle_command(folder, out=tmp_path / "whole.tar", sign_key=signer.path, serial=2)


@pytest.fixture
def delta(tmp_path: Path, signer: Signer, old: BundleResult, whole: BundleResult) -> BundleResult:
    """The new bundle as a delta against the old one."""
    assert whole.files == len(NEW)
    return bundle_command(tmp_path / "new", out=tmp_path, sign_key=signer.path, serial=2, base=old.paths[0])


def test_a_base_that_lacks_a_file_is_told_as_that(
    tmp_path: Path, delta: BundleResult, signer: Signer
) -> None:
    same = next(path for path in FILES if path.endswith(".whl") and path not in CHANGED)
    (tmp_path / "old" / same).unlink()
    with pytest.raises(MissingMemberError, match=f"{tmp_path / 'old'} lacks {same}"):
        rebuild_bundle(
            delta.paths[0], tmp_path / "old", tmp_path / "again.tar", trusted_key=signer.fingerprint
        )
    assert not (tmp_path / "again.tar").exists()


def test_a_delta_carries_the_three_changed_wheels_and_small_files_only(
    delta: BundleResult, old: BundleResult
) -> None:
    listing = list_bundle(delta.paths[0])

    assert {file.path for file in listing.files if file.carried} == {*CHANGED, *SMALL}
    assert listing.base == delta.base == old.contents
    assert delta.carried == len(CHANGED) + len(SMALL)
    assert delta.paths[0].name.endswith(f".delta-{old.contents[:8]}.tar")


def test_a_manifest_alone_can_be_the_base(tmp_path: Path, old: BundleResult, delta: BundleResult) -> None:
    again = bundle_command(
        tmp_path / "new", out=tmp_path / "again.tar", serial=2, base=tmp_path / "old" / "manifest.json"
    )

    assert (again.base, again.carried) == (old.contents, delta.carried)


def test_the_whole_is_rebuilt_to_the_byte(
    tmp_path: Path, signer: Signer, old: BundleResult, whole: BundleResult, delta: BundleResult
) -> None:
    rebuild_bundle(delta.paths[0], old.paths[0], tmp_path / "rebuilt.tar", trusted_key=signer.fingerprint)

    assert (tmp_path / "rebuilt.tar").read_bytes() == whole.paths[0].read_bytes()


def test_a_delta_reads_like_the_whole_with_its_base(
    tmp_path: Path, signer: Signer, old: BundleResult, delta: BundleResult
) -> None:
    bundle = open_bundle(delta.paths[0], base=old.paths[0])

    verified = bundle.verify(signer.fingerprint, installed_serial=1)

    assert (verified.serial, verified.contents) == (2, delta.contents)
    for file in bundle.iter_files():
        bundle.extract(file.path, tmp_path / "out")
        assert (tmp_path / "out").read_bytes() == NEW[file.path]


def test_a_delta_of_a_delta_is_opened_link_by_link(tmp_path: Path, signer: Signer, old: BundleResult) -> None:
    middle = write_wheelhouse(tmp_path / "middle", {**FILES, TORCH: b"middle"})
    first = bundle_command(middle, out=tmp_path / "1.tar", serial=2, base=old.paths[0], sign_key=signer.path)
    last = write_wheelhouse(tmp_path / "last", {**FILES, TORCH: b"middle", NPU: b"last"})
    second = bundle_command(last, out=tmp_path / "2.tar", serial=3, base=first.paths[0], sign_key=signer.path)

    bundle = open_bundle(second.paths[0], base=open_bundle(first.paths[0], base=old.paths[0]))

    assert bundle.verify(signer.fingerprint).contents == second.contents


def test_a_delta_in_place_of_its_whole_bundle_is_told_as_that(
    tmp_path: Path, signer: Signer, delta: BundleResult
) -> None:
    """The advice was to name the older bundle as the base, which the command had done."""
    last = write_wheelhouse(tmp_path / "last", {**NEW, NPU: b"last"})
    second = bundle_command(last, out=tmp_path / "2.tar", serial=3, base=delta.paths[0], sign_key=signer.path)

    with pytest.raises(DeltaBaseError, match=r"^The base is a delta itself, and lacks ") as caught:
        open_bundle(second.paths[0], base=delta.paths[0])

    assert "invoke bundle --rebuild" in caught.value.next_step


def test_an_unpacked_delta_is_neither_packed_nor_imported_as_a_wheelhouse(
    tmp_path: Path, delta: BundleResult, signer: Signer
) -> None:
    """A file of its base was told as changed, or as not copied: to make or copy it again would not help."""
    folder = tmp_path / "a delta"
    with tarfile.open(delta.paths[0]) as archive:
        archive.extractall(folder)  # noqa: S202 - made by this test
    wants = f"`invoke bundle --rebuild '{folder}' --base OLD_BUNDLE --out WHOLE.tar --trusted-key KEY`"
    with pytest.raises(DeltaFolderError, match="is a delta") as packed:
        bundle_command(folder, out=tmp_path / "new.tar", sign_key=signer.path, serial=9)
    with pytest.raises(DeltaFolderError, match="is a delta") as imported:
        vendor_wheelhouse(folder, root=tmp_path, store=Store(tmp_path / "store"))
    assert packed.value.next_step.startswith(wants)
    assert imported.value.next_step == packed.value.next_step


def test_a_manifest_in_place_of_a_bundle_is_told_as_that(tmp_path: Path, delta: BundleResult) -> None:
    """It is enough to pack against; "does not begin with manifest.json" was said of a manifest.json."""
    manifest = tmp_path / "old/manifest.json"

    for bundle, base in ((delta.paths[0], manifest), (manifest, None)):
        with pytest.raises(ManifestAloneError, match=r"manifest\.json is a manifest, and holds no files"):
            open_bundle(bundle, base)


def test_an_unpacked_wheelhouse_can_be_the_base(tmp_path: Path, signer: Signer, delta: BundleResult) -> None:
    bundle = open_bundle(delta.paths[0], base=tmp_path / "old")

    assert bundle.verify(signer.fingerprint).serial == 2


def test_without_its_base_only_what_a_delta_carries_is_proven(
    delta: BundleResult, old: BundleResult, signer: Signer
) -> None:
    proven = verify_bundle(delta.paths[0], trusted_key=signer.fingerprint)
    assert (proven.serial, proven.left) == (2, delta.files - delta.carried)
    whole = verify_bundle(delta.paths[0], base=old.paths[0], trusted_key=signer.fingerprint)
    assert whole.left == 0

    with pytest.raises(DeltaBaseError, match="is not in this delta") as caught:
        open_bundle(delta.paths[0]).verify(signer.fingerprint)
    assert "--base OLD_BUNDLE" in caught.value.next_step


def test_another_base_is_refused(tmp_path: Path, delta: BundleResult) -> None:
    other = write_wheelhouse(tmp_path / "other", {**FILES, NPU: b"other"})

    with pytest.raises(DeltaBaseError, match="This delta was made against the contents"):
        open_bundle(delta.paths[0], base=other)


def test_a_changed_base_is_noticed_and_nothing_is_rebuilt(
    tmp_path: Path, signer: Signer, old: BundleResult, delta: BundleResult
) -> None:
    data = old.paths[0].read_bytes()
    old.paths[0].write_bytes(data.replace(b"longlong", b"longevil", 1))

    with pytest.raises(errors.IntegrityError, match="charset_normalizer"):
        rebuild_bundle(delta.paths[0], old.paths[0], tmp_path / "rebuilt.tar", trusted_key=signer.fingerprint)

    assert not (tmp_path / "rebuilt.tar").exists()


@pytest.mark.parametrize(
    ("old_text", "new_text"),
    [(b'"base": "', b'"base": "0'), (b'"carried"', b'"carriex"'), (b'"schema": 1', b'"schema": 0')],
)
def test_a_changed_list_of_a_delta_is_refused(
    delta: BundleResult, old: BundleResult, signer: Signer, old_text: bytes, new_text: bytes
) -> None:
    data = bytearray(delta.paths[0].read_bytes())
    at = data.index(old_text, data.index(b'"carried"') - 200)
    data[at : at + len(new_text)] = new_text
    delta.paths[0].write_bytes(bytes(data))

    with pytest.raises(Exception, match=r"^The bundle is not sound|^This delta") as caught:
        open_bundle(delta.paths[0], base=old.paths[0]).verify(signer.fingerprint)

    assert getattr(caught.value, "exit_code", None) == 5


def test_a_list_of_a_newer_form_is_told_by_its_number(delta: BundleResult, old: BundleResult) -> None:
    data = bytearray(delta.paths[0].read_bytes())
    at = data.index(b'"schema": 1', data.index(b'"carried"'))
    data[at : at + 11] = b'"schema": 2'
    delta.paths[0].write_bytes(bytes(data))
    with pytest.raises(NewerBundleError, match=r"^delta.json has schema 2; .* reads 1"):
        open_bundle(delta.paths[0], base=old.paths[0])


def test_a_base_that_is_not_there_is_a_usage_error(tmp_path: Path, wheelhouse: Path) -> None:
    for missing in (tmp_path / "none.json", tmp_path / "none.tar"):
        with pytest.raises(errors.UsageError, match="There is no"):
            bundle_command(wheelhouse, out=tmp_path, serial=1, base=missing)


def test_equal_content_under_another_name_is_not_carried_again() -> None:
    base = deltas.Base(contents="", digests=frozenset({"a"}))

    assert deltas.carried({"files": [{"path": "wheels/renamed", "sha256": "a"}]}, base) == []

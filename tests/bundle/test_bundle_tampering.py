from __future__ import annotations

import random
from pathlib import Path

import pytest
from bundle_fixtures import Draft, join
from tampering import TAMPERINGS, Scene

from ascend_wheelhouse.folder.signing import Signer
from ascend_wheelhouse.node import errors
from ascend_wheelhouse.node.reading import bundle_reader

INSTALLED_SERIAL = 7


def test_the_sound_bundle_is_accepted(draft: Draft, signer: Signer, tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar"
    path.write_bytes(join(draft.members()))

    verified = bundle_reader.open_bundle(path).verify(signer.fingerprint, installed_serial=INSTALLED_SERIAL)

    assert (verified.fingerprint, verified.serial) == (signer.fingerprint, 7)


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_changed_bundle_is_refused(
    name: str, draft: Draft, signer: Signer, stranger: Signer, tmp_path: Path
) -> None:
    """Refused with the code for integrity, and nothing is written anywhere."""
    path = TAMPERINGS[name](Scene(draft=draft, stranger=stranger, folder=tmp_path))
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(errors.IntegrityError) as caught:
        bundle_reader.open_bundle(path).verify(signer.fingerprint, installed_serial=INSTALLED_SERIAL)

    assert caught.value.exit_code == 5
    assert caught.value.what
    assert sorted(tmp_path.rglob("*")) == before


_UNNOTICED_WITHOUT_TRUST = {
    "signed by a stranger",
    "wheel and sha256 replaced, signed by a stranger",
    "without signature and provenance",
}
_OLDER = {"replay of an older serial", "replay with serial 0", "replay without serial"}


@pytest.mark.parametrize("name", sorted(TAMPERINGS.keys() - _UNNOTICED_WITHOUT_TRUST - _OLDER))
def test_without_a_trusted_key_only_a_forger_who_signs_anew_gets_through(
    name: str, draft: Draft, stranger: Signer, tmp_path: Path
) -> None:
    """`--insecure-no-signature` waives who signed, never whether the bytes fit together."""
    path = TAMPERINGS[name](Scene(draft=draft, stranger=stranger, folder=tmp_path))

    with pytest.raises(errors.IntegrityError):
        bundle_reader.open_bundle(path).verify(None, insecure=True)


@pytest.mark.parametrize("name", sorted(_OLDER))
def test_going_back_must_be_asked_for(
    name: str, draft: Draft, signer: Signer, stranger: Signer, tmp_path: Path
) -> None:
    bundle = bundle_reader.open_bundle(
        TAMPERINGS[name](Scene(draft=draft, stranger=stranger, folder=tmp_path))
    )

    with pytest.raises(bundle_reader.OlderSerialError, match=r"^The bundle has the serial"):
        bundle.verify(signer.fingerprint, installed_serial=INSTALLED_SERIAL)

    assert bundle.verify(signer.fingerprint, installed_serial=INSTALLED_SERIAL, allow_rollback=True)


def test_a_signed_bundle_is_not_trusted_by_itself(draft: Draft, signer: Signer, tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar"
    path.write_bytes(join(draft.members()))

    with pytest.raises(errors.IntegrityError, match="nobody said that this key is to be trusted") as caught:
        bundle_reader.open_bundle(path).verify(None)

    assert signer.fingerprint in caught.value.what


def test_what_changes_after_verification_is_not_extracted(
    draft: Draft, signer: Signer, tmp_path: Path
) -> None:
    path = tmp_path / "bundle.tar"
    data = join(draft.members())
    path.write_bytes(data)
    bundle = bundle_reader.open_bundle(path)
    bundle.verify(signer.fingerprint)
    path.write_bytes(data.replace(b"npu!npu!", b"npu!evil", 1))
    wheel = next(file.path for file in bundle.iter_files() if "torch_npu" in file.path)

    with pytest.raises(bundle_reader.ChangedFileError, match="Not as the manifest says"):
        bundle.extract(wheel, tmp_path / "out.whl")

    assert [found.name for found in tmp_path.iterdir()] == ["bundle.tar"]


def test_every_file_comes_out_as_it_went_in(draft: Draft, signer: Signer, tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar"
    path.write_bytes(join(draft.members()))
    bundle = bundle_reader.open_bundle(path)
    bundle.verify(signer.fingerprint)

    for file in bundle.iter_files():
        bundle.extract(file.path, tmp_path / "out")
        assert (tmp_path / "out").read_bytes() == draft.files[file.path]


def test_a_link_to_a_bundle_is_followed(draft: Draft, signer: Signer, tmp_path: Path) -> None:
    (tmp_path / "real.tar").write_bytes(join(draft.members()))
    (tmp_path / "link.tar").symlink_to("real.tar")

    assert bundle_reader.open_bundle(tmp_path / "link.tar").verify(signer.fingerprint).serial == 7
    assert bundle_reader.open_bundle([tmp_path / "link.tar"]).verify(signer.fingerprint).serial == 7


def test_a_medium_that_was_taken_out_is_told_as_such(draft: Draft, signer: Signer, tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar"
    path.write_bytes(join(draft.members()))
    bundle = bundle_reader.open_bundle(path)
    path.unlink()

    with pytest.raises(errors.IntegrityError, match="cannot be read: No such file or directory") as caught:
        bundle.verify(signer.fingerprint)
    assert caught.value.next_step.startswith(f"ls -ld {path}; "), "of a folder, `ls -l` shows what is in it"
    with pytest.raises(errors.IntegrityError, match="cannot be read"):
        bundle_reader.open_bundle([path])
    with pytest.raises(errors.UsageError, match="There is no bundle at"):
        bundle_reader.open_bundle(path)


def test_any_changed_byte_anywhere_is_refused(draft: Draft, signer: Signer, tmp_path: Path) -> None:
    """No byte of a bundle is free: headers, contents and fillings all follow from the signed manifest."""
    path = tmp_path / "bundle.tar"
    sound = join(draft.members())
    draw = random.Random(60)  # noqa: S311 - any places will do, the same in every run

    for position in draw.sample(range(len(sound)), 40):
        changed = bytearray(sound)
        changed[position] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(errors.IntegrityError):
            bundle_reader.open_bundle(path).verify(signer.fingerprint)


def test_the_catalogue_is_as_long_as_promised() -> None:
    assert len(TAMPERINGS) >= 60

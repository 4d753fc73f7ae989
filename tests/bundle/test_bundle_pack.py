from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from bundle_fixtures import FILES, TORCH, Draft, join, write_wheelhouse

from ascend_wheelhouse.base import errors, events
from ascend_wheelhouse.bundle import command, pack, parts, serial, tar
from ascend_wheelhouse.bundle.command import bundle_command, list_bundle, verify_bundle
from ascend_wheelhouse.folder.manifest import NotAWheelhouseError
from ascend_wheelhouse.folder.signing import Signer
from ascend_wheelhouse.node.reading.bundle_reader import open_bundle


def test_a_bundle_is_the_bytes_that_its_layout_says(
    wheelhouse: Path, tmp_path: Path, signer: Signer, draft: Draft
) -> None:
    result = bundle_command(wheelhouse, out=tmp_path, sign_key=signer.path, serial=7)

    assert result.paths[0].read_bytes() == join(draft.members())
    assert result.size == result.paths[0].stat().st_size
    assert (result.files, result.carried, result.serial) == (len(FILES), len(FILES), 7)


def test_equal_wheelhouses_give_equal_bundles(wheelhouse: Path, tmp_path: Path, signer: Signer) -> None:
    again = write_wheelhouse(tmp_path / "again", dict(reversed(FILES.items())))

    first = bundle_command(wheelhouse, out=tmp_path / "1.tar", sign_key=signer.path, serial=1)
    second = bundle_command(again, out=tmp_path / "2.tar", sign_key=signer.path, serial=1)

    assert first.paths[0].read_bytes() == second.paths[0].read_bytes()
    assert first.contents == second.contents


def test_tar_unpacks_a_bundle_and_sha256sum_checks_it(
    wheelhouse: Path, tmp_path: Path, signer: Signer
) -> None:
    result = bundle_command(wheelhouse, out=tmp_path / "b.tar", sign_key=signer.path, serial=1)
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()

    subprocess.run(["tar", "-xf", result.paths[0], "-C", unpacked], check=True)
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=unpacked, check=True)

    assert open_bundle(unpacked).verify(signer.fingerprint).serial == 1


def test_a_bundle_lists_and_verifies_without_being_unpacked(
    wheelhouse: Path, tmp_path: Path, signer: Signer
) -> None:
    result = bundle_command(wheelhouse, out=tmp_path, sign_key=signer.path, serial=3)

    listing = list_bundle(result.paths[0])
    verified = verify_bundle(result.paths[0], trusted_key=f"{signer.path}.pub")

    assert {file.path for file in listing.files} == set(FILES)
    assert (listing.serial, listing.signer) == (3, signer.fingerprint)
    assert verified.contents == listing.contents == result.contents
    assert json.loads(json.dumps(listing.as_dict()))["files"][0]["path"] == "install.py"
    assert json.loads(json.dumps(result.as_dict()))["paths"] == [str(result.paths[0])]


def test_private_keys_never_enter_a_bundle(wheelhouse: Path, tmp_path: Path, signer: Signer) -> None:
    result = bundle_command(wheelhouse, out=tmp_path, sign_key=signer.path, serial=3)

    assert b"PRIVATE KEY" not in result.paths[0].read_bytes()


@pytest.mark.parametrize("size", [65536, 65537, 100_000, 10**9])
def test_parts_put_together_are_the_whole_bundle(wheelhouse: Path, tmp_path: Path, size: int) -> None:
    big = write_wheelhouse(wheelhouse, {**FILES, TORCH: b"t" * 400_000})
    whole = bundle_command(big, out=tmp_path / "whole.tar", serial=1).paths[0].read_bytes()

    result = bundle_command(big, out=tmp_path / "b.tar", split=size, serial=1)

    assert b"".join(part.read_bytes() for part in result.paths) == whole
    assert {part.stat().st_size for part in result.paths[:-1]} <= {size}
    assert result.paths[0].name == "b.tar.001"
    for named in (tmp_path / "b.tar", result.paths[0], result.paths[-1]):
        assert verify_bundle(named, insecure=True).contents == result.contents


def test_more_parts_than_a_shell_puts_together_in_their_order_are_refused(
    wheelhouse: Path, tmp_path: Path
) -> None:
    """`cat b.tar.*` gives .1000 before .101."""
    big = write_wheelhouse(wheelhouse, {**FILES, TORCH: b"t" * (1000 * 65_536)})
    with pytest.raises(parts.PartSizeError, match="more than 999 parts") as told:
        bundle_command(big, out=tmp_path / "b.tar", split=65_536, serial=1)
    assert list(tmp_path.glob("*b.tar*")) == []
    again = parts.part_size(told.value.next_step.removeprefix("--split ").removesuffix(", or more"))
    assert len(bundle_command(big, out=tmp_path / "b.tar", split=again, serial=1).paths) <= 999


def test_a_new_bundle_replaces_the_parts_of_the_old_one(wheelhouse: Path, tmp_path: Path) -> None:
    write_wheelhouse(wheelhouse, {**FILES, TORCH: b"t" * 400_000})
    bundle_command(wheelhouse, out=tmp_path / "b.tar", split=65536, serial=1)
    (tmp_path / "b.tar.txt").write_text("mine")

    bundle_command(wheelhouse, out=tmp_path / "b.tar", serial=1)

    assert sorted(path.name for path in tmp_path.glob("*b.tar*")) == ["b.tar", "b.tar.txt"]


@pytest.mark.parametrize(
    ("text", "size"),
    [("4G", 4 * 10**9), ("4GiB", 2**32), ("65536", 65536), ("1MB", 10**6), ("2T", 2 * 10**12)],
)
def test_part_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parts.part_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "4X", "-1", "1.5G", "10", "G", "4Gi", pytest.param("9" * 5000, id="thousands")]
)
def test_sizes_that_no_part_can_have_are_refused(text: str) -> None:
    with pytest.raises(parts.PartSizeError):
        parts.part_size(text)


def test_an_incomplete_wheelhouse_is_refused_by_name(tmp_path: Path) -> None:
    pending = [{"component": "cann-toolkit", "reason": "no origin answered", "supply": "invoke vendor FILE"}]
    folder = write_wheelhouse(tmp_path / "w", complete=False, pending=pending)

    with pytest.raises(pack.WheelhouseIncompleteError, match="cann-toolkit") as caught:
        bundle_command(folder, out=tmp_path, serial=1)

    assert caught.value.exit_code == 8
    assert caught.value.next_step.endswith("or invoke vendor FILE")
    assert bundle_command(folder, out=tmp_path, serial=1, allow_incomplete=True).files == len(FILES)


def _grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def _flip(path: Path) -> None:
    path.write_bytes(b"X" + path.read_bytes()[1:])


@pytest.mark.parametrize("change", [_grow, _flip, Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_wheelhouse_that_was_changed_is_not_packed(
    wheelhouse: Path, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    change(wheelhouse / TORCH)

    with pytest.raises(tar.WheelhouseChangedError, match=r"torch-2\.8\.0"):
        bundle_command(wheelhouse, out=tmp_path / "b.tar", serial=1)

    assert not (tmp_path / "b.tar").exists()


def test_a_folder_without_manifest_is_no_wheelhouse(tmp_path: Path) -> None:
    with pytest.raises(NotAWheelhouseError, match=r"has no manifest\.json"):
        bundle_command(tmp_path, out=tmp_path, serial=1)


def test_options_that_exclude_each_other_are_refused(wheelhouse: Path, tmp_path: Path) -> None:
    with pytest.raises(command.OptionsClashError):
        bundle_command(wheelhouse, out=tmp_path, oci=True, split=4_000_000_000, serial=1)


def test_an_unsigned_bundle_is_made_with_a_warning(wheelhouse: Path, tmp_path: Path) -> None:
    seen: list[events.Event] = []

    result = bundle_command(wheelhouse, out=tmp_path, serial=1, emit=seen.append)

    assert [event.level for event in seen if isinstance(event, events.Note)] == ["warning"]
    assert result.fingerprint is None
    with pytest.raises(errors.IntegrityError, match=r"^The bundle is not signed"):
        verify_bundle(result.paths[0])


def test_progress_ends_at_the_size_of_the_bundle(wheelhouse: Path, tmp_path: Path) -> None:
    seen: list[events.Event] = []

    bundle_command(wheelhouse, out=tmp_path, serial=1, emit=seen.append)

    started = next(event for event in seen if isinstance(event, events.JobStarted))
    last = [event.done for event in seen if isinstance(event, events.JobProgress)][-1]
    assert started.total is not None
    assert last == started.total


def test_a_serial_is_given_or_derived(tmp_path: Path) -> None:
    assert serial.decide(5, tmp_path, {"SOURCE_DATE_EPOCH": "9"}) == 5
    assert serial.decide(None, tmp_path, {"SOURCE_DATE_EPOCH": "9"}) == 9
    with pytest.raises(serial.SerialError, match=r"^The bundle has no serial"):
        serial.decide(None, tmp_path, {})


@pytest.mark.parametrize("value", ["-1", "0", "x", "\u0663", str(2**60)])
def test_what_cannot_be_a_serial_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(serial.SerialError, match="cannot be the serial"):
        serial.decide(None, tmp_path, {"SOURCE_DATE_EPOCH": value})


def test_the_commit_time_is_the_serial_inside_a_repository(tmp_path: Path) -> None:
    author = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run(
        ["git", *author, "commit", "-q", "--allow-empty", "-m", "x"],
        cwd=tmp_path,
        env={"GIT_COMMITTER_DATE": "1700000000 +0000", "PATH": "/usr/bin:/bin"},
        check=True,
    )

    assert serial.decide(None, tmp_path, {}) == 1700000000


@pytest.mark.parametrize("stack", ["../../up", "/up", "", ".", "a/b", "a\nb"])
def test_a_manifest_whose_stack_climbs_is_refused(tmp_path: Path, stack: str) -> None:
    """The stack's name becomes that of the bundle."""
    wheelhouse = write_wheelhouse(tmp_path / "x" / "y" / "wheelhouse", stack=stack)
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(errors.IntegrityError, match=r"stack is"):
        bundle_command(wheelhouse, out=tmp_path / "x" / "y", serial=1)

    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("key", ["reason", "supply"])
def test_a_manifest_whose_pending_component_lacks_a_word_is_refused(tmp_path: Path, key: str) -> None:
    row = {"component": "cann", "reason": "none", "supply": "none"}
    del row[key]
    wheelhouse = write_wheelhouse(tmp_path / "wheelhouse", pending=[row])
    with pytest.raises(errors.IntegrityError, match=rf"pending\.0 lacks '{key}'"):
        bundle_command(wheelhouse, out=tmp_path, allow_incomplete=True)


@pytest.mark.parametrize("rows", ["sglang", ["sglang"], [{"indexed": False}]])
def test_a_manifest_whose_components_are_none_is_refused(
    tmp_path: Path, signer: Signer, rows: object
) -> None:
    """Provenance is made from them: a manifest that was edited by hand ended in a fault of this tool."""
    changed = write_wheelhouse(tmp_path / "wheelhouse", components=rows)
    with pytest.raises(NotAWheelhouseError, match=r"manifest\.json: components"):
        bundle_command(changed, out=tmp_path / "b.tar", sign_key=signer.path, serial=7)

"""Installs from signed bundles: whole, in parts, as a delta, tampered with, and with an offline index."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, package, run_in, run_installer, seal

from ascend_wheelhouse.bundle.command import bundle_command
from ascend_wheelhouse.folder.signing import Signer, generate_key

VERSION = "import alpha; print(alpha.version)"
NOISE = package("noise", "1.0", data__txt="noise" * 10_000)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return generate_key(tmp_path_factory.mktemp("key") / "key")


def packed(
    folder: Path,
    key: Signer,
    serial: int,
    version: str,
    *,
    base: Path | None = None,
    split: int | None = None,
) -> Path:
    house = SmallWheelhouse(wheels=[package("alpha", version), NOISE], serial=serial).write(
        folder / f"h{serial}"
    )
    result = bundle_command(
        house,
        out=folder / f"b{serial}.tar",
        sign_key=key.path,
        serial=serial,
        base=base,
        split=split,
        allow_incomplete=True,
    )
    return result.paths[0]


def installer_of(bundle: Path, folder: Path) -> Path:
    """Unpack the installer from a bundle with `tar`, as a person on a node does."""
    folder.mkdir()
    subprocess.run(["tar", "-xf", bundle, "-C", folder, "install.py"], check=True)
    return folder


def test_a_signed_bundle_installs_without_being_unpacked_first(tmp_path: Path, key: Signer) -> None:
    bundle = packed(tmp_path, key, 3, "1.0")
    home = installer_of(bundle, tmp_path / "home")
    options = ("--bundle", bundle, "--prefix", tmp_path / "npu")
    answer = run_installer(home, *options, "--trusted-key", f"{key.path}.pub")
    assert answer.status == 0, answer.talk
    assert answer.facts["signer"] == key.fingerprint
    assert run_in(tmp_path / "npu", "python", "-c", VERSION) == "1.0"
    assert run_installer(home, *options, "--trusted-key", f"{key.path}.pub").facts["changed"] is False


def test_without_a_trusted_key_nothing_is_installed(tmp_path: Path, key: Signer) -> None:
    bundle = packed(tmp_path, key, 3, "1.0")
    home = installer_of(bundle, tmp_path / "home")
    answer = run_installer(home, "--bundle", bundle, "--prefix", tmp_path / "npu")
    assert (answer.status, answer.facts["error"]) == (5, "NoTrustedKeyError")
    assert not (tmp_path / "npu").exists()


def test_a_replayed_serial_is_refused_and_the_environment_stays(tmp_path: Path, key: Signer) -> None:
    old, new = packed(tmp_path, key, 3, "1.0"), packed(tmp_path, key, 4, "2.0")
    home = installer_of(new, tmp_path / "home")
    options = ("--prefix", tmp_path / "npu", "--trusted-key", key.fingerprint)
    assert run_installer(home, "--bundle", new, *options).status == 0
    answer = run_installer(home, "--bundle", old, *options)
    assert (answer.status, answer.facts["error"]) == (5, "OlderSerialError")
    assert run_in(tmp_path / "npu", "python", "-c", VERSION) == "2.0"


def test_a_delta_installs_from_itself_and_its_base(tmp_path: Path, key: Signer) -> None:
    old = packed(tmp_path, key, 3, "1.0")
    delta = packed(tmp_path, key, 4, "2.0", base=old)
    assert delta.stat().st_size < old.stat().st_size
    home = installer_of(old, tmp_path / "home")
    options = ("--prefix", tmp_path / "npu", "--trusted-key", key.fingerprint)
    answer = run_installer(home, "--bundle", delta, "--base", old, *options)
    assert answer.status == 0, answer.talk
    assert run_in(tmp_path / "npu", "python", "-c", VERSION) == "2.0"


def test_a_byte_changed_in_a_wheel_is_refused_and_the_environment_stays(tmp_path: Path, key: Signer) -> None:
    old, new = packed(tmp_path, key, 3, "1.0"), packed(tmp_path, key, 4, "2.0")
    home = installer_of(new, tmp_path / "home")
    options = ("--prefix", tmp_path / "npu", "--trusted-key", key.fingerprint)
    assert run_installer(home, "--bundle", old, *options).status == 0
    content = bytearray(new.read_bytes())
    content[content.rindex(b"version = '2.0'") + 11] ^= 1
    new.write_bytes(content)
    answer = run_installer(home, "--bundle", new, *options)
    assert (answer.status, answer.facts["error"]) == (5, "ChangedFileError")
    assert run_in(tmp_path / "npu", "python", "-c", VERSION) == "1.0"


def test_a_bundle_in_parts_installs(tmp_path: Path, key: Signer) -> None:
    part = packed(tmp_path, key, 3, "1.0", split=70_000)
    home = tmp_path / "h3"
    options = ("--prefix", tmp_path / "npu", "--trusted-key", key.fingerprint)
    answer = run_installer(home, "--bundle", part, *options)
    assert answer.status == 0, answer.talk
    assert run_in(tmp_path / "npu", "python", "-c", VERSION) == "1.0"


def test_an_image_layout_installs(tmp_path: Path, key: Signer) -> None:
    house = SmallWheelhouse(wheels=[package("alpha", "1.0")]).write(tmp_path / "house")
    image = bundle_command(
        house, out=tmp_path / "b.oci", oci=True, sign_key=key.path, serial=3, allow_incomplete=True
    ).paths[0]
    options = ("--prefix", tmp_path / "npu", "--trusted-key", key.fingerprint)
    answer = run_installer(house, "--bundle", image, *options)
    assert answer.status == 0, answer.talk
    assert run_in(tmp_path / "npu", "python", "-c", VERSION) == "1.0"


def test_a_wheelhouse_of_the_older_form_is_installed_by_a_newer_installer(tmp_path: Path) -> None:
    """There `install.py` had its modules in a folder beside it; they are checked like any file, and not run."""
    small = SmallWheelhouse(wheels=[package("alpha", "1.0")])
    home, house = small.write(tmp_path / "home"), small.write(tmp_path / "house")
    (house / "install.py").write_text("raise SystemExit('older')\n")
    (house / "node").mkdir()
    (house / "node" / "install.py").write_text("raise SystemExit('older')\n")
    (house / "manifest.json").unlink()
    seal(house, small.head())
    options = ("--prefix", tmp_path / "npu", "--insecure-no-signature")
    answer = run_installer(home, "--bundle", house, *options)
    assert answer.status == 0, answer.talk
    assert run_in(tmp_path / "npu", "python", "-c", VERSION) == "1.0"


def test_the_wheels_can_be_kept_as_the_index_of_the_environment(tmp_path: Path) -> None:
    house = SmallWheelhouse().write(tmp_path / "house")
    prefix = tmp_path / "npu"
    assert run_installer(house, "--prefix", prefix, "--insecure-no-signature", "--offline-index").status == 0
    shutil.rmtree(house)
    settings = (prefix / "current/pip.conf").read_text()
    assert "no-index = true" in settings
    kept = Path(settings.partition("file://")[2].strip())
    assert [wheel.name for wheel in kept.iterdir()] == ["alpha-1.0-py3-none-any.whl"]


def test_an_index_that_lost_a_file_is_made_again_and_a_proposed_install_keeps_one(tmp_path: Path) -> None:
    house, prefix = SmallWheelhouse().write(tmp_path / "house"), tmp_path / "npu"
    options = ("--prefix", prefix, "--insecure-no-signature", "--offline-index")
    assert run_installer(house, *options).status == 0
    (wheel,) = prefix.glob("index/*/wheels/alpha-*.whl")
    whole = wheel.read_bytes()
    for damage in (wheel.unlink, lambda: wheel.write_bytes(b"damaged")):
        damage()
        assert run_installer(house, *options).facts["changed"] is True
        assert wheel.read_bytes() == whole
    assert run_installer(house, *options).facts["changed"] is False
    (prefix / "current/extra").touch()
    told = run_installer(house, "--prefix", prefix, "--check")
    assert told.facts["next"].endswith(f"--prefix {prefix} --reinstall --offline-index"), told.talk


def test_an_index_goes_with_the_last_environment_that_names_it(tmp_path: Path) -> None:
    prefix = tmp_path / "npu"
    options = ("--prefix", prefix, "--insecure-no-signature", "--offline-index")
    for version in ("1.0", "2.0", "3.0"):
        house = SmallWheelhouse(wheels=[package("alpha", version)]).write(tmp_path / version)
        assert run_installer(house, *options).status == 0
        for python in ("home", "0123456789abcdef"):  # every pyvenv.cfg has the word `home`
            (prefix / "python" / python).mkdir(parents=True, exist_ok=True)
    assert run_installer(house, *options).facts["changed"] is False
    told = [(env / "pip.conf").read_text() for env in sorted((prefix / "envs").glob("*/"))]
    kept = {folder.name for folder in (prefix / "index").iterdir()}
    assert len(told) == 2
    assert len(kept) == 2
    assert all(sum(name in text for text in told) == 1 for name in kept)
    assert [folder.name for folder in (prefix / "python").iterdir()] == ["home"]
    assert run_installer(house, "--prefix", prefix, "--rollback").status == 0
    assert run_in(prefix, "python", "-c", VERSION) == "2.0"


def test_what_is_asked_of_the_same_wheelhouse_later_is_not_left_out(tmp_path: Path) -> None:
    house = SmallWheelhouse().write(tmp_path / "house")
    options = ("--prefix", tmp_path / "npu", "--insecure-no-signature")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    for words in (("--ascend", tmp_path / "one"), ("--ascend", tmp_path / "two"), ("--offline-index",)):
        for changed in (True, False):
            answer = run_installer(house, *options, *words)
            assert (answer.status, answer.facts["changed"]) == (0, changed), answer.talk
    receipt = json.loads((tmp_path / "npu/current/receipt.json").read_text())
    assert receipt["ascend"] == str(tmp_path / "two")
    assert run_installer(house, *options).facts["changed"] is False

"""What environments share below a prefix, the offline index and the Python, is looked at with each that uses it."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, package, run_in, run_installer

from ascend_wheelhouse.node.install import python_archive, receipt

UNSIGNED = "--insecure-no-signature"
DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": lambda file: file.unlink(),
    "changed": lambda file: file.write_bytes(b"damaged"),
    "extra": lambda file: file.with_name(f"{file.stem}9.whl").touch(),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_index_is_told_not_gone_back_to_and_made_again(tmp_path: Path, kind: str) -> None:
    prefix, options = tmp_path / "npu", (UNSIGNED, "--offline-index")
    old = SmallWheelhouse().write(tmp_path / "old")
    assert run_installer(old, "--prefix", prefix, *options).status == 0
    assert run_installer(old, "--prefix", prefix, "--check").status == 0
    (wheel,) = prefix.glob("index/*/wheels/alpha-*.whl")
    DAMAGES[kind](wheel)

    told = run_installer(old, "--prefix", prefix, "--check")

    assert (told.status, told.facts["error"]) == (5, "EnvironmentChangedError"), told.talk
    assert told.facts["why"].startswith(f"{kind}: {wheel.parent}/alpha-")
    assert told.facts["next"].endswith(f"--prefix {prefix} --reinstall --offline-index")
    assert run_installer(old, "--prefix", prefix, *options).facts["changed"] is True
    assert run_installer(old, "--prefix", prefix, "--check").status == 0


def test_no_rollback_leads_to_a_damaged_index(tmp_path: Path) -> None:
    prefix = tmp_path / "npu"
    for number in (1, 2):
        house = SmallWheelhouse(wheels=[package("alpha", f"{number}.0")]).write(tmp_path / f"house{number}")
        assert run_installer(house, "--prefix", prefix, UNSIGNED, "--offline-index").status == 0
    (wheel,) = prefix.glob("index/*/wheels/alpha-1.0-*.whl")
    wheel.unlink()
    answer = run_installer(house, "--prefix", prefix, "--rollback")
    assert (answer.status, answer.facts["error"]) == (5, "BrokenPreviousError"), answer.talk
    assert answer.facts["why"] == f"missing: {wheel}"
    assert run_in(prefix, "python", "-c", "import alpha; print(alpha.version)") == "2.0"


@pytest.fixture
def env(tmp_path: Path) -> Path:
    """An environment whose Python stands below the prefix, without its receipt."""
    archive = tmp_path / "cpython-3.11.9-install_only.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("bin/python3", "lib/os.py", "lib/__pycache__/os.pyc"):
            info = tarfile.TarInfo(f"python/{name}")
            info.size = 2
            tar.addfile(info, io.BytesIO(b"#!"))
    python = python_archive.unpack(archive, "d" * 64, tmp_path / "npu", wanted="3.11")
    folder = tmp_path / "npu/envs/0001"
    (folder / "lib/python3.11/site-packages").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text(f"home = {Path(python).parent}\n")
    return folder


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_python_below_the_prefix_is_told_with_the_install_that_brings_it(
    env: Path, kind: str
) -> None:
    receipt.write(env, {})
    library = env.parents[1] / "python" / ("d" * 16) / "python/lib"
    (library / "__pycache__/os.pyc").write_text("Python writes byte code at any time")
    assert not receipt.compare(env)
    DAMAGES[kind](library / "os.py")
    (told,) = getattr(receipt.compare(env), kind)
    assert told.startswith(f"{library}/os")
    assert receipt.again(env).endswith("--reinstall --payloads")


def test_a_python_that_is_gone_is_told_file_by_file(env: Path) -> None:
    receipt.write(env, {})
    (env.parents[1] / "python").rename(env.parents[1] / "gone")
    assert len(receipt.compare(env).missing) == 2


def test_a_receipt_from_before_it_named_the_files_of_python_says_nothing_of_them(env: Path) -> None:
    receipt.write(env, {})
    facts = json.loads((env / "receipt.json").read_text())
    assert len(facts.pop("python_files")) == 2
    (env / "receipt.json").write_text(json.dumps(facts))
    (env.parents[1] / "python" / ("d" * 16) / "python/lib/os.py").unlink()
    assert not receipt.compare(env)

"""`invoke wheelhouse` from end to end, as a user runs it, against an index on the loopback."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from making_packages import makeself
from small_world import World, found, snapshot, wheel

from ascend_wheelhouse.folder.installer import build_installer
from ascend_wheelhouse.pages import wheelhouse
from ascend_wheelhouse.pages.view import read_view

pytest_plugins = ["world_fixtures"]

WHEELS = {
    *("torch-2.8.0", "torchvision-0.23.0", "torch_npu-2.8.0.post2", "triton_ascend-3.2.0", "sglang-1.0+npu"),
    *("einops-0.8", "tqdm-4.0", "numpy-2.0", "pybind11-3.0"),
}


def manifest(fresh_world: World) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((fresh_world.folder / "manifest.json").read_text())
    return document


def test_it_holds_what_the_cell_needs_and_nothing_else(finished: World) -> None:
    """pybind11 is there although nothing declares it; triton is not, nor the index's other sglang."""
    names = {path.name.removesuffix("-py3-none-any.whl") for path in (finished.folder / "wheels").iterdir()}
    assert names == WHEELS


def test_everything_around_the_wheels_is_there(finished: World) -> None:
    names = {path.name for path in finished.folder.iterdir()}
    locks = {f"{kind}.aarch64.toml" for kind in ("pylock", "sources", "payloads")} | {
        "requirements.aarch64.txt"
    }
    assert {
        "wheels",
        "simple",
        "sources",
        "install.py",
        "manifest.json",
        "SHA256SUMS",
        "sbom.cdx.json",
        "audit.json",
        "wheelhouse.html",
    } | locks <= names
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=finished.folder, check=True)


def test_the_page_of_a_wheelhouse_is_listed_like_every_file_and_made_of_the_others_alone(
    finished: World,
) -> None:
    (page,) = [one for one in manifest(finished)["files"] if one["kind"] == "page"]
    data = (finished.folder / "wheelhouse.html").read_bytes()
    assert (page["path"], page["size"]) == ("wheelhouse.html", len(data))
    assert wheelhouse.page(read_view(finished.folder)).encode() == data
    assert b"sglang needs" in data
    assert b"nnal" in data


def test_the_times_of_a_run_show_every_kind_of_its_work(finished: World) -> None:
    events = json.loads((finished.root.parent / "times.json").read_text())["traceEvents"]
    kinds = {event["cat"] for event in events if event["ph"] == "X"}
    assert {"run", "resolve", "fetch", "read", "build", "lay out", "audit"} <= kinds
    fetched = {event["name"] for event in events if event.get("cat") == "fetch"}
    assert "torch-2.8.0-py3-none-any.whl" in fetched
    assert "<h1>wheelhouse: times of a run</h1>" in (finished.root.parent / "times.html").read_text()


def test_a_bundle_carries_the_page_and_refuses_it_changed(finished: World, tmp_path: Path) -> None:
    words = [
        "--wheelhouse",
        str(finished.folder),
        "--allow-incomplete",
        "--serial",
        "1",
        "--out",
        str(tmp_path),
    ]
    assert finished.invoke("bundle", *words).status == 0
    (bundle,) = tmp_path.glob("*.tar")
    proof = ["bundle", "--verify", str(bundle), "--insecure-no-signature"]
    assert finished.invoke(*proof).status == 0
    whole = bundle.read_bytes()
    assert whole.count(b"Skip to the content") == 1
    bundle.write_bytes(whole.replace(b"Skip to the content", b"Skip to the CONTENT"))
    done = finished.invoke(*proof)
    assert done.status == 5
    assert "Not as the manifest says: wheelhouse.html." in done.err


def test_the_lock_is_written_beside_the_recipes_and_names_no_host(finished: World) -> None:
    folder = finished.root / "lockfiles/sglang1.0-torch2.8.0-cann8.5.0-a3"
    texts = [path.read_text() for path in folder.iterdir()]
    assert len(texts) == 4
    assert not any("127.0.0.1" in text.replace("http://127.0.0.1:9/", "") for text in texts)
    assert (folder / "pylock.aarch64.toml").read_bytes() == (
        finished.folder / "pylock.aarch64.toml"
    ).read_bytes()


def test_what_cannot_be_reached_is_pending_with_what_would_supply_it(finished: World) -> None:
    told = manifest(finished)
    assert told["complete"] is False
    (pending,) = told["pending"]
    assert pending["component"] == "nnal"
    assert pending["reason"].startswith("url: 127.0.0.1: ")
    assert pending["supply"] == "`invoke vendor FILE`"


def test_sglangs_wheel_asks_for_what_its_npu_project_file_says(finished: World) -> None:
    with zipfile.ZipFile(finished.folder / "wheels/sglang-1.0+npu-py3-none-any.whl") as archive:
        metadata = archive.read("sglang-1.0+npu.dist-info/METADATA").decode()
    assert "Version: 1.0+npu\n" in metadata
    assert "Requires-Dist: einops\n" in metadata
    assert "cuda-python" not in metadata


def test_pip_installs_it_offline_by_hash(finished: World, tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--no-compile",
        "--require-hashes",
    ]
    words += ["--find-links", str(finished.folder / "wheels"), "--target", str(tmp_path / "site")]
    words += ["-r", str(finished.folder / "requirements.aarch64.txt")]
    subprocess.run(words, check=True, env={**finished.env, "PIP_INDEX_URL": ""})
    assert (tmp_path / "site/pybind11.py").is_file()


def test_nothing_to_do_asks_nobody_and_changes_nothing(finished: World) -> None:
    before = snapshot(finished.folder)
    asked = len(finished.index.asked)
    done = finished.make()
    assert done.status == 0
    assert len(finished.index.asked) == asked
    assert snapshot(finished.folder) == before


def test_nothing_to_do_imports_nothing_that_reads_recipes_or_asks_a_network(finished: World) -> None:
    """What a run with nothing to do costs is what it imports; pydantic alone takes longer than all the rest."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "invoke", "wheelhouse", "--resolver", "uv"],
        cwd=finished.root,
        env=finished.env,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "ascend_wheelhouse.make.freshness" in imported
    heavy = {"pydantic", "packaging", "urllib3", "rich", "platformdirs", "ascend_wheelhouse.store.store"}
    assert heavy & imported == set()


def test_json_is_one_document_a_line_for_machines(finished: World) -> None:
    done = finished.make("--json")
    last = json.loads(done.out.splitlines()[-1])
    assert last["path"] == str(finished.folder)
    assert last["pending"][0]["component"] == "nnal"


def test_the_digest_of_the_installer_is_told_to_be_written_down(finished: World) -> None:
    installer = (finished.folder / "install.py").read_bytes()
    digest = hashlib.sha256(installer).hexdigest()
    assert installer == build_installer()
    assert f"install.py: sha256 {digest} (write it down" in finished.make().out
    assert json.loads(finished.make("--json").out.splitlines()[-1])["installer"] == digest
    assert [file["sha256"] for file in manifest(finished)["files"] if file["kind"] == "installer"] == [digest]


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_no_digest_is_told_of_an_installer_that_has_another(
    finished: World, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """The time and the size say that nothing was changed; the digest is what people compare on the node."""
    copy = tmp_path / "copy"
    shutil.copytree(finished.root, copy, symlinks=True)
    other = World(root=copy, index=finished.index)
    assert other.make().status == 0
    installer = other.folder / "install.py"
    before, data = installer.stat(), bytearray(installer.read_bytes())
    data[-1] ^= 1
    installer.write_bytes(data)
    os.utime(installer, ns=(before.st_atime_ns, before.st_mtime_ns))
    done = other.make(*words)
    assert done.status == 5
    assert "install.py has the sha256" in done.err
    assert "write it down" not in done.out


def test_what_somebody_changed_is_told_before_it_is_made_anew(finished: World, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished.root, copy, symlinks=True)
    other = World(root=copy, index=finished.index)
    assert other.make().status == 0
    (other.folder / "wheels/tqdm-4.0-py3-none-any.whl").write_bytes(b"changed")
    (other.folder / "stray").touch()
    done = other.make("--check")
    assert done.status == 0
    told = "2 files of the wheelhouse changed since it was made: stray, wheels/tqdm-4.0-py3-none-any.whl"
    assert told in done.err
    assert "changed since it was made" not in other.make("--check").err


def test_strict_and_ci_make_what_is_pending_an_error(finished: World) -> None:
    for done in (finished.make("--strict"), finished.make(CI="true")):
        assert done.status == 8
        assert "lacks nnal" in done.err
        assert "\nNext: supply them as the table above says" in done.err
        assert "`CI= invoke wheelhouse --torch 2.8.0 --platform aarch64`" in done.err


def test_strict_proposes_the_folder_that_was_named(fresh_world: World, tmp_path: Path) -> None:
    """The proposed command made a second wheelhouse, in the project folder."""
    done = fresh_world.make("--strict", "--output", str(tmp_path / "my wheels"))
    assert done.status == 8
    assert (
        f"`CI= invoke wheelhouse --torch 2.8.0 --platform aarch64 --output '{tmp_path}/my wheels'`"
        in done.err
    )


def test_check_finds_a_wheel_that_was_changed_afterwards(finished: World, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished.root, copy, symlinks=True)
    other = World(root=copy, index=finished.index)
    assert other.make().status == 0
    victim = other.folder / "wheels/tqdm-4.0-py3-none-any.whl"
    stamps = victim.stat()
    data = bytearray(victim.read_bytes())
    data[40] ^= 1
    victim.unlink()
    victim.write_bytes(data)
    os.utime(victim, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
    assert other.make().status == 0, "time stamps are trusted without --check"
    done = other.make("--check")
    assert done.status == 5
    assert "wheels/tqdm-4.0-py3-none-any.whl" in done.err


def test_plan_shows_what_is_cached_and_what_is_pending(finished: World) -> None:
    done = finished.invoke("plan", "--json")
    steps = {step["step"]: step["state"] for step in json.loads(done.out)["steps"]}
    assert steps["fetch torch"] == "cached"
    assert steps["build sglang"] == "cached"
    assert steps["supply nnal"] == "pending"
    assert finished.invoke("plan", "--dot").out.startswith("digraph")
    assert "cached" in finished.make("--dry-run").out


def test_an_imported_file_completes_it(fresh_world: World) -> None:
    assert fresh_world.make().status == 0
    payload = fresh_world.root / "Ascend-cann-nnal_8.5.0_linux-aarch64.run"
    payload.write_bytes(makeself())
    assert fresh_world.invoke("vendor", str(payload)).status == 0
    done = fresh_world.make("--strict")
    assert done.status == 0, done.err
    assert manifest(fresh_world)["complete"] is True
    assert (fresh_world.folder / "payloads" / payload.name).read_bytes() == makeself()


def test_two_wheelhouses_from_two_folders_are_equal(
    fresh_world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = found(tmp_path_factory.mktemp("other"), fresh_world.index)
    assert fresh_world.make().status == 0
    assert other.make().status == 0
    assert snapshot(fresh_world.folder) == snapshot(other.folder)


def test_offline_works_from_the_store_alone(fresh_world: World) -> None:
    assert fresh_world.make().status == 0
    shutil.rmtree(fresh_world.root / "wheelhouse")
    asked = len(fresh_world.index.asked)
    done = fresh_world.make("--offline")
    assert done.status == 0, done.err
    assert len(fresh_world.index.asked) == asked


@pytest.mark.parametrize("upgrade", [False, True])
def test_offline_makes_no_lock(fresh_world: World, *, upgrade: bool) -> None:
    if upgrade:
        assert fresh_world.invoke("lock", "--resolver", "uv").status == 0
    before, asked = snapshot(fresh_world.root / "lockfiles"), len(fresh_world.index.asked)
    done = fresh_world.make("--offline", *(["--upgrade"] if upgrade else []))
    assert done.status == 4, done.err
    assert "--offline makes none" in done.err
    assert f"invoke lock {'--upgrade ' if upgrade else ''}--torch" in done.err
    assert len(fresh_world.index.asked) == asked
    assert snapshot(fresh_world.root / "lockfiles") == before


def test_offline_lists_what_the_store_lacks(fresh_world: World) -> None:
    assert fresh_world.invoke("lock", "--resolver", "uv").status == 0
    shutil.rmtree(fresh_world.store)
    done = fresh_world.make("--offline")
    assert done.status == 4
    assert "torch-2.8.0-py3-none-any.whl" in done.err


def test_a_second_identical_lock_asks_nobody_anything(fresh_world: World) -> None:
    assert fresh_world.invoke("lock", "--resolver", "uv").status == 0
    before, asked = snapshot(fresh_world.root / "lockfiles"), len(fresh_world.index.asked)
    done = fresh_world.invoke("lock", "--resolver", "uv")
    assert (done.status, "Nothing changed." in done.out) == (0, True)
    assert len(fresh_world.index.asked) == asked
    assert snapshot(fresh_world.root / "lockfiles") == before
    assert fresh_world.invoke("lock", "--resolver", "uv", "--upgrade").status == 0
    assert len(fresh_world.index.asked) > asked


def test_an_upgraded_lock_says_what_changed_and_why(fresh_world: World) -> None:
    assert fresh_world.invoke("lock", "--resolver", "uv").status == 0
    fresh_world.index.offer("numpy-2.1-py3-none-any.whl", wheel("numpy", "2.1"))
    assert "Nothing changed." in fresh_world.invoke("lock", "--resolver", "uv").out
    done = fresh_world.invoke("lock", "--resolver", "uv", "--upgrade")
    assert "numpy" in done.out
    assert "newest that fits now; needed by torch" in done.out


def test_a_stack_that_changed_under_its_lock_is_seen(fresh_world: World) -> None:
    assert fresh_world.make().status == 0
    stack = fresh_world.root / "recipes/stacks/torch2.8.0-cann8.5.0.toml"
    stack.write_text(stack.read_text().replace('triton-ascend = "3.2.0"', 'triton-ascend = "3.2.1"'))
    before = snapshot(fresh_world.folder)
    done = fresh_world.make()
    assert done.status == 2
    assert "triton_ascend differ" in done.err
    assert snapshot(fresh_world.folder) == before


def test_the_manifest_names_the_releases_of_python_that_a_wheel_excludes(fresh_world: World) -> None:
    picky = wheel("tqdm", "4.0", python="!=3.11.2")
    fresh_world.index.offer("tqdm-4.0-py3-none-any.whl", picky)
    assert fresh_world.make().status == 0
    assert manifest(fresh_world)["node"]["barred"] == {"tqdm": ["3.11.2"]}

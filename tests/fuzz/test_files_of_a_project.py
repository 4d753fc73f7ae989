"""Whatever recipes, stacks, locks, mirrors and pip's settings hold, a command ends with a code of its own."""

from __future__ import annotations

import tomllib

import pytest
from desks import Desk
from hypothesis import given
from hypothesis import strategies as st
from outcome import require_error, require_told
from spoiling import fuzzed, texts_of, tomls
from toolchain_locks import toolchain_lock

from ascend_wheelhouse.locks.toolchain_lock import (
    PARTS,
    BadToolchainLockError,
    path_of,
    read_toolchain,
    write_toolchain,
)

pytest_plugins = ["desk_fixtures"]
READ = (
    ("recipes",),
    ("plan",),
    ("plan", "--torch=2.8.1", "--cann=8.5.0", "--json"),
    ("wheelhouse", "--dry-run"),
)


@pytest.mark.parametrize(
    "name",
    [
        "sglang.toml",
        "nnal.toml",
        "triton-ascend.toml",
        "stacks/torch2.8.0-cann8.5.0.toml",
        "serving/small.toml",
        "compatibility.toml",
    ],
)
@fuzzed
@given(data=st.data())
def test_any_recipe_or_stack_is_read_or_refused(desk: Desk, name: str, data: st.DataObject) -> None:
    path = desk.world.root / "recipes" / name
    good = tomllib.loads(path.read_text())
    command = data.draw(st.sampled_from(READ))
    with desk.holding(path, data.draw(tomls(good))):
        require_told(desk.invoke(*command))


@pytest.mark.parametrize("name", ["pylock.aarch64.toml", "sources.aarch64.toml", "payloads.aarch64.toml"])
@fuzzed
@given(data=st.data())
def test_any_lock_is_used_or_refused(desk: Desk, name: str, data: st.DataObject) -> None:
    (path,) = (one for one in desk.locks if one.name == name)
    command = data.draw(
        st.sampled_from(
            [
                ("plan",),
                ("fetch", "--offline"),
                ("cache",),
                ("build", "sglang", "--offline"),
                ("wheelhouse", "--offline", "--no-audit", "--output=other"),
            ]
        )
    )
    with desk.locked(path, data.draw(tomls(tomllib.loads(desk.locks[path].decode())))):
        require_told(desk.invoke(*command))


@fuzzed
@given(data=st.data())
def test_any_lock_of_a_toolchain_is_read_or_refused(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    lock = toolchain_lock()
    good = write_toolchain(lock, tmp_path_factory.getbasetemp() / "good").read_text()
    lockfiles = desk.world.root / "lockfiles"
    with desk.holding(path_of(lockfiles, lock.name), data.draw(tomls(tomllib.loads(good)))):
        require_told(desk.invoke("cache"))
        try:
            read = read_toolchain(lockfiles, lock.name)
        except BadToolchainLockError as error:
            require_error(error)
        else:
            assert read is not None
            assert read.name == lock.name
            assert all(file.version and file.package for part in PARTS for file in read.of(part))
            assert len(read.digest) == 64


MIRRORS = {
    "mirrors": {"https://github.com/": "http://127.0.0.1:9/", "http://127.0.0.1:9/": "file:///nowhere/"}
}


@fuzzed
@given(data=tomls(MIRRORS))
def test_any_list_of_mirrors_is_used_or_refused(desk: Desk, data: bytes) -> None:
    with desk.holding(desk.world.root / "mirrors.toml", data):
        require_told(desk.invoke("plan"))


PIP_CONF = b"""[global]
index-url = http://127.0.0.1:9/simple
extra-index-url = http://127.0.0.1:9/other
timeout = 1
retries = 0
trusted-host = 127.0.0.1
proxy =
cert = /nowhere
no-index = false
[install]
find-links = /nowhere
"""


@fuzzed
@given(data=texts_of(PIP_CONF))
def test_any_settings_of_pip_are_used_or_refused(desk: Desk, data: bytes) -> None:
    (lock,) = (text for path, text in desk.locks.items() if path.name == "pylock.aarch64.toml")
    digest = tomllib.loads(lock.decode())["packages"][0]["wheels"][0]["hashes"]["sha256"]
    blob = desk.world.store / "blobs" / digest[:2] / digest
    kept = blob.read_bytes()
    conf = desk.world.root / "pip.conf"
    blob.unlink()
    try:
        with desk.holding(conf, data), pytest.MonkeyPatch.context() as patch:
            patch.setenv("PIP_CONFIG_FILE", str(conf))
            patch.delenv("PIP_INDEX_URL")
            require_told(desk.invoke("fetch"))
    finally:
        blob.unlink(missing_ok=True)
        blob.write_bytes(kept)

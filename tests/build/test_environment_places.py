from collections.abc import Callable
from pathlib import Path

import pytest

from ascend_wheelhouse.build.environment import find_interpreter, install, planned
from ascend_wheelhouse.build.sandbox import Sandbox, Unsealed, find_sandbox
from ascend_wheelhouse.store.store import Store


@pytest.mark.parametrize("kind", [Unsealed, find_sandbox], ids=["open", "sealed"])
def test_a_build_environment_is_made_in_a_store_with_a_space_in_its_path(
    tmp_path: Path, kind: Callable[[], Sandbox]
) -> None:
    """Without a sandbox its own path is what the commands are given; it was said that the wheels do not fit."""
    sandbox = kind()
    store, interpreter = Store(tmp_path / "my störe"), find_interpreter("3.11")
    environment = planned((), interpreter, store=store, sandbox=sandbox)
    install(environment, (), interpreter, store=store, sandbox=sandbox)
    assert (environment.folder / "pyvenv.cfg").is_file()

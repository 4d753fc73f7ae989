"""A container engine or a sandbox that does not come to an end: told as that, and the next one is asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ascend_wheelhouse.build import container, sandbox
from ascend_wheelhouse.build.container import Container, ContainerUnavailableError
from ascend_wheelhouse.build.sandbox import Cage, SandboxUnavailableError, Unsealed, find_sandbox

_HANGS = "#!/bin/sh\nexec sleep 600\n"
_HAS_IT = "#!/bin/sh\ncase $1 in image) echo sha256:1234;; *) exec sleep 600;; esac\n"


def _program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(container, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(sandbox, "TRIAL_SECONDS", 0.5)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    _program(tmp_path, "docker", _HANGS)
    return tmp_path


def test_an_engine_that_does_not_answer_is_told(hanging: Path) -> None:
    assert hanging
    with pytest.raises(ContainerUnavailableError) as told:
        Container.of("builder:1", engines=("docker",))
    assert "docker: it does not answer within 0.5 s" in told.value.why


def test_the_next_engine_is_asked(hanging: Path) -> None:
    _program(hanging, "podman", _HAS_IT)
    found = Container.of("builder:1")
    assert (found.engine, found.digest, found.rootless) == ("podman", "sha256:1234", False)
    assert not found.holds_cores()


def test_a_sandbox_whose_trial_does_not_end_does_not_work(hanging: Path) -> None:
    class Hanging(Unsealed):
        name = "hanging"

        def command(self, cage: Cage, argv: Sequence[str]) -> list[str]:
            return [str(hanging / "docker"), cage.cwd, *argv]

    with pytest.raises(SandboxUnavailableError) as told:
        find_sandbox([Hanging()])
    assert told.value.why == "hanging: it did not end within 0.5 s"

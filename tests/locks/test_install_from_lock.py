"""The commands of lockfiles/README.md that install from a committed lock, without a wheelhouse."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import uv
from invoking import ROOT, invoke

from ascend_wheelhouse.origins.pip_config import PipConfig

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the lock that the document names is x86_64's"),
]
_COMMAND = re.compile(r"(?m)^    (invoke build|uv pip install|pip install) (.+)$")


@pytest.fixture(scope="module")
def commands() -> dict[str, list[str]]:
    """Each command's words, as printed."""
    text = (ROOT / "lockfiles" / "README.md").read_text()
    return {program: words.split() for program, words in _COMMAND.findall(text)}


@pytest.fixture(scope="module")
def built(commands: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the document's first command fills."""
    folder = tmp_path_factory.mktemp("lock") / "built"
    words = [str(folder) if word == "built" else word for word in commands["invoke build"]]
    assert invoke("build", *words) == 0
    assert [path.suffix for path in folder.iterdir()] == [".whl"]
    return folder


def _words(words: list[str], built: Path) -> list[str]:
    places = {"built": str(built)}
    return [places.get(word, str(ROOT / word) if word.startswith("lockfiles/") else word) for word in words]


def test_uv_takes_every_file_of_the_lock_by_its_hash(commands: dict[str, list[str]], built: Path) -> None:
    config = PipConfig.read()
    links = [word for place in config.find_links for word in ("--find-links", place)]
    done = subprocess.run(
        [
            uv.find_uv_bin(),
            "pip",
            "install",
            "--dry-run",
            "--python",
            sys.executable,
            "--reinstall",
            *_words(commands["uv pip install"], built),
            *links,
        ],
        env={**os.environ, "UV_DEFAULT_INDEX": config.index_urls[0], "UV_NO_CONFIG": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    locked = (ROOT / commands["uv pip install"][-1]).read_text()
    told = {f"{name}=={version}" for name, version in re.findall(r"(?m)^ [+~] (\S+)==(\S+)$", done.stderr)}
    assert told == set(re.findall(r"(?m)^(\S+==\S+) \\$", locked))


def test_pip_takes_what_was_built_and_what_the_index_has_by_their_hashes(
    commands: dict[str, list[str]], built: Path, tmp_path: Path
) -> None:
    """A few files alone: all of them would be 3 GB."""
    *options, lock = _words(commands["pip install"], built)
    blocks = re.findall(r"(?m)^(?:six|sglang|wcwidth)==.+\\\n    --hash=\S+$", Path(lock).read_text())
    assert len(blocks) == 3
    part = tmp_path / "requirements.txt"
    part.write_text("\n".join(blocks) + "\n")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--target",
        str(tmp_path / "into"),
        *options,
        str(part),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "into" / "sglang" / "launch_server.py").is_file()

    part.write_text(re.sub("(?m)sha256:.*$", f"sha256:{'0' * 64}", part.read_text()))
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
OWN = PROJECT["name"]
EXTRAS = PROJECT["optional-dependencies"]


def _declared(extra: str) -> list[str]:
    """Return what an extra names, with what the extras that it takes in name."""
    found = []
    for one in map(Requirement, EXTRAS[extra]):
        found += (
            [name for own in sorted(one.extras) for name in _declared(own)] if one.name == OWN else [str(one)]
        )
    return found


DECLARED = [*PROJECT["dependencies"], *_declared("dev")]
LOCK = (ROOT / "lockfiles" / "dev.txt").read_text("utf-8")
PINS = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", LOCK, re.MULTILINE))


@pytest.mark.parametrize("declared", DECLARED)
def test_the_lock_of_development_holds_what_the_project_declares(declared: str) -> None:
    """`nox -s dev_lock` fixes it."""
    requirement = Requirement(declared)
    assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)], prereleases=True)


def test_every_pin_is_hashed_and_no_host_is_named() -> None:
    entries = re.split(r"\n(?=\S)", LOCK.strip())
    assert [entry.partition("\n")[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in LOCK

"""Keys and wheelhouses for the tests of bundles."""

from __future__ import annotations

from pathlib import Path

import pytest
from bundle_fixtures import Draft, write_wheelhouse

from ascend_wheelhouse.folder.signing import Signer, generate_key


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    """The key that nodes trust."""
    return generate_key(tmp_path_factory.mktemp("keys") / "trusted")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    """A key that nodes do not trust."""
    return generate_key(tmp_path_factory.mktemp("keys") / "stranger")


@pytest.fixture(scope="session")
def draft(signer: Signer) -> Draft:
    """A sound bundle, signed by the trusted key, with serial 7."""
    return Draft(signer=signer)


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    """A wheelhouse on disk."""
    return write_wheelhouse(tmp_path / "wheelhouse")

"""Session fixtures of the tests on software nodes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from soft_nodes import SOURCES, Workshop, install_packages, prepared_environment

from ascend_wheelhouse.node.verify.sealed import can_seal
from ascend_wheelhouse.store.root import default_root
from ascend_wheelhouse.verify import software_node

TOOLS = ("make", "g++", "makeself", "unshare")


@pytest.fixture(scope="session")
def packages() -> Path:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing or not can_seal():
        pytest.skip(f"a software node takes {', '.join(TOOLS)} and namespaces")
    return software_node.packages(software_node.Node(sources=SOURCES), default_root())


@pytest.fixture(scope="session")
def installed(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "node"
    install_packages(folder, packages)
    return folder


@pytest.fixture(scope="session")
def workshop(packages: Path, installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    environment = prepared_environment(tmp_path_factory.mktemp("torch-npu") / "environment")
    return Workshop(installed=installed, made=packages, environment=environment)

"""What the probes of one run import is compiled once: uv installs without compiling, and torch takes seconds."""

from __future__ import annotations

from pathlib import Path

import pytest
from environments import install, make_environment, manifest, probe, scripted_probe, setting, site_packages

from ascend_wheelhouse.node.verify import runner, settings

SAYS = """import heavy, beside, os
return Outcome(evidence=f"{heavy.__cached__} {beside.__cached__}", figures={
    "there": [os.path.exists(one.__cached__) for one in (heavy, beside)],
    "child": os.environ.get("PYTHONPYCACHEPREFIX", ""),
    "writes": "PYTHONDONTWRITEBYTECODE" not in os.environ,
})"""


@pytest.fixture
def compiling(tmp_path: Path) -> settings.Setting:
    """An environment with a module, as uv leaves it, and a module in a folder that PYTHONPATH names, as CANN's."""
    environment = make_environment(tmp_path / "environment")
    install(environment, "heavy", "1.0", {"heavy.py": ""})
    install(environment, "torch", "1.0", {"torch/__init__.py": ""})
    (tmp_path / "standins").mkdir()
    (tmp_path / "standins/beside.py").touch()
    node = scripted_probe(tmp_path, "compiling", SAYS)
    options = settings.VerifyOptions(standins=str(tmp_path / "standins"))
    return setting(environment, tmp_path / "run", manifest({"heavy": "1.0"}), options, node)


def test_modules_beside_the_environment_are_compiled_into_a_folder_of_the_run(
    compiling: settings.Setting,
) -> None:
    result = runner.run_probe(probe("compiling", standins=True), compiling)
    assert result.good, result.detail
    compiled = compiling.scratch / "compiled"
    assert result.figures["there"] == [True, True]
    assert (result.figures["child"], result.figures["writes"]) == (str(compiled), True)
    assert all(path.startswith(f"{compiled}/") for path in result.evidence.split())
    assert not list(compiling.environment.parent.joinpath("standins").glob("__pycache__"))
    assert not (site_packages(compiling.environment) / "__pycache__").exists()


def test_nothing_is_written_beside_an_environment_that_is_compiled(compiling: settings.Setting) -> None:
    (site_packages(compiling.environment) / "torch/__pycache__").mkdir()
    result = runner.run_probe(probe("compiling", standins=True), compiling)
    assert result.good, result.detail
    assert (result.figures["there"], result.figures["writes"]) == ([False, False], False)
    assert not (compiling.scratch / "compiled").exists()


def test_what_the_environment_holds_is_compiled_into_it(compiling: settings.Setting) -> None:
    install(compiling.environment, "beside", "1.0", {"beside.py": ""})
    result = runner.run_probe(probe("compiling"), compiling)
    assert result.good, result.detail
    assert (result.figures["there"], result.figures["writes"]) == ([True, True], True)
    assert (result.figures["child"], (compiling.scratch / "compiled").exists()) == ("", False)


def test_another_users_environment_is_compiled_into_a_folder_of_the_run(
    compiling: settings.Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(compiling.environment, "beside", "1.0", {"beside.py": ""})
    monkeypatch.setattr("os.access", lambda _path, _mode: False)  # root may write everywhere
    result = runner.run_probe(probe("compiling"), compiling)
    assert result.good, result.detail
    assert result.figures["child"] == str(compiling.scratch / "compiled")
    assert all(path.startswith(result.figures["child"]) for path in result.evidence.split())
    assert result.figures["there"] == [True, True]

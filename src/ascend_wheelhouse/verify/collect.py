"""pytest's part: every probe is a test item, its verdict a test's outcome, its figures JUnit properties.

pytest lives in the project's environment and is never installed into the one under test; an item only
starts the probe's process and reads its verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ascend_wheelhouse.node.host import software
from ascend_wheelhouse.node.probes import Probe
from ascend_wheelhouse.node.verify import planning, runner, settings
from ascend_wheelhouse.node.verify.report import Result

LIST_NAME = "verify.probes"
MARKERS = {
    "host": "reads files of the environment, on this machine itself",
    "cann": "needs the CANN toolkit",
    "npu": "needs an NPU",
    "multi_npu": "needs two NPUs or more",
    "server": "starts the real server",
    "emulated": "ran under emulation",
}


class VerdictError(Exception):
    """A probe's bad verdict, as pytest reports it."""


class ProbeItem(pytest.Item):
    """One probe."""

    probe: Probe
    plugin: VerifyPlugin

    def runtest(self) -> None:
        """Run the probe and turn its verdict into pytest's terms."""
        result = self.plugin.take(self.probe)
        self.user_properties += [(name, str(value)) for name, value in result.figures.items()]
        if software.WORDS in result.markers:
            self.user_properties.append(("evidence", software.NO_EVIDENCE))
        if result.verdict == "skipped" and result.good and not self.plugin.setting.options.require_npu:
            pytest.skip(result.evidence)
        if result.verdict == "known":
            pytest.xfail(result.evidence)
        if result.verdict != "passed":
            raise VerdictError(f"{result.verdict}: {result.evidence}\n{result.detail}".strip())

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:  # noqa: ANN401
        """Show the verdict alone; a traceback of ours says nothing of the probe."""
        if isinstance(excinfo.value, VerdictError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Name the item as the table does."""
        return self.path, None, self.probe.name


class ProbeList(pytest.File):
    """The file that stands for the run; the plugin knows which probes it holds."""

    plugin: VerifyPlugin

    def collect(self) -> Iterable[ProbeItem]:
        """Yield an item for each planned probe, marked with what it needs."""
        for probe in planning.plan(self.plugin.setting):
            item = ProbeItem.from_parent(self, name=probe.name)
            item.probe, item.plugin = probe, self.plugin
            for marker in probe.markers:
                item.add_marker(marker)
            if self.plugin.setting.launcher.emulated and "host" not in probe.markers:
                item.add_marker("emulated")
            yield item


class VerifyPlugin:
    """Hands the setting to the items and keeps their results."""

    def __init__(self, setting: settings.Setting) -> None:
        self.setting = setting
        self.results: list[Result] = []

    def take(self, probe: Probe) -> Result:
        """Run one probe and keep its result."""
        self.results.append(runner.run_probe(probe, self.setting))
        return self.results[-1]

    def pytest_configure(self, config: pytest.Config) -> None:
        """Register the markers."""
        for name, meaning in MARKERS.items():
            config.addinivalue_line("markers", f"{name}: {meaning}")

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> ProbeList | None:
        """Collect the list that `run` wrote."""
        if file_path.name != LIST_NAME:
            return None
        found: ProbeList = ProbeList.from_parent(parent, path=file_path)
        found.plugin = self
        return found


def run(setting: settings.Setting, junit: Path, extra: Sequence[str] = ()) -> list[Result]:
    """Run the planned probes under pytest and return their results in order.

    Args:
        setting: The environment under test.
        junit: Where the JUnit XML goes.
        extra: More arguments for pytest, such as `-m "not server"`.
    """
    listing = setting.scratch / LIST_NAME
    listing.write_text("".join(f"{probe.name}\n" for probe in planning.plan(setting)), encoding="utf-8")
    settings = setting.scratch / "pytest.ini"
    suite = f"verify ({software.WORDS})" if setting.ascend.software else "verify"
    settings.write_text(f"[pytest]\njunit_suite_name = {suite}\n", encoding="utf-8")
    plugin = VerifyPlugin(setting)
    words = [
        "-c",
        str(settings),
        "--rootdir",
        str(setting.scratch),
        "-p",
        "no:cacheprovider",
        "-v",
        "--no-header",
    ]
    pytest.main(
        [*words, "-rN", "--no-summary", "--junitxml", str(junit), *extra, str(listing)], plugins=[plugin]
    )
    return plugin.results

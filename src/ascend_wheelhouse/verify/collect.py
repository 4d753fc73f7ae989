"""pytest's part: every probe is a test item, its verdict a test's outcome, its figures JUnit properties.

pytest lives in the project's environment and is never installed into the one under test; an item only
starts the probe's process and reads its verdict.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ascend_wheelhouse.base.errors import UsageError, VerifyError
from ascend_wheelhouse.node.host import software
from ascend_wheelhouse.node.plain import plain
from ascend_wheelhouse.node.probes import Probe
from ascend_wheelhouse.node.verify import planning, runner, settings
from ascend_wheelhouse.node.verify.report import Result

LIST_NAME = "verify.probes"
_LONGEST_WHY = 400
MARKERS = {
    "host": "reads files of the environment, on this machine itself",
    "cann": "needs the CANN toolkit",
    "npu": "needs an NPU",
    "multi_npu": "needs two NPUs or more",
    "server": "starts the real server",
    "emulated": "ran under emulation",
}


class BadPytestWordsError(UsageError):
    """pytest cannot read the words that were meant for it."""


class PytestEndedError(VerifyError):
    """pytest ended before all probes had run."""


class VerdictError(Exception):
    """A probe's bad verdict, as pytest reports it."""


class ProbeItem(pytest.Item):
    """One probe."""

    take: Callable[[], Result]
    strict: bool

    def runtest(self) -> None:
        """Run the probe and turn its verdict into pytest's terms."""
        try:
            result = self.take()
        except SystemExit as left:  # asked to end: a test that fails by it would let the run go on
            pytest.exit("asked to end", returncode=int(str(left.code)))
        self.user_properties += [(name, str(value)) for name, value in result.figures.items()]
        if software.WORDS in result.markers:
            self.user_properties.append(("evidence", software.NO_EVIDENCE))
        if result.verdict == "skipped" and result.good and not self.strict:
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
        return self.path, None, self.name


def _as_it_is(result: Result) -> Result:
    return result


class ProbeList(pytest.File):
    """The file that stands for the run."""

    run: Run

    def collect(self) -> Iterable[ProbeItem]:
        """Yield an item for each result that is there already and each planned probe, marked with what it needs."""
        emulated = self.run.setting.launcher.emulated
        for result in self.run.before:
            yield self._item(result.probe, (), functools.partial(_as_it_is, result))
        for probe in self.run.probes:
            more = ["emulated"] if emulated and "host" not in probe.markers else []
            yield self._item(probe.name, (*probe.markers, *more), functools.partial(self.run.take, probe))

    def _item(self, name: str, markers: Iterable[str], take: Callable[[], Result]) -> ProbeItem:
        item = ProbeItem.from_parent(self, name=name)
        item.take, item.strict = take, self.run.setting.options.require_npu
        for marker in markers:
            item.add_marker(marker)
        return item


class Run:
    """A run of pytest over one environment, and the plugin of it that hands the probes to pytest.

    Args:
        setting: The environment under test.
        probes: What is to run.
        before: Results that were there before, which are told as the probes' are.
    """

    def __init__(
        self, setting: settings.Setting, *, probes: Sequence[Probe], before: Sequence[Result] = ()
    ) -> None:
        self.setting = setting
        self.probes = probes
        self.before = before
        self._results: list[Result] = []

    def take(self, probe: Probe) -> Result:
        """Run one probe and keep its result."""
        self._results.append(runner.run_probe(probe, self.setting))
        return self._results[-1]

    def under_pytest(self, junit: Path, extra: Sequence[str] = ()) -> list[Result]:
        """Run the probes under pytest and return the results in order, those from before first.

        Args:
            junit: Where the JUnit XML goes.
            extra: More arguments for pytest, such as `-m "not server"`.
        """
        code = self.start("-v", "-rN", "--no-summary", "--junitxml", str(junit), *extra)
        if code not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED}:
            if code > max(pytest.ExitCode):
                raise SystemExit(code)
            raise PytestEndedError(
                f"pytest ended with status {code} before all probes had run.",
                why="What it said stands above; an empty report would be no evidence.",
                next_step=f"fix that, or {junit} if it is named there, then the same command again",
            )
        return [*self.before, *self._results]

    def start(self, *words: str) -> int:
        """Start pytest in this process with these words and return its exit code."""
        folder = self.setting.scratch
        listing, configuration = folder / LIST_NAME, folder / "pytest.ini"
        listing.write_text("".join(f"{probe.name}\n" for probe in self.probes), encoding="utf-8")
        suite = f"verify ({software.WORDS})" if self.setting.ascend.software else "verify"
        configuration.write_text(f"[pytest]\njunit_suite_name = {suite}\n", encoding="utf-8")
        for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
            os.environ.pop(name, None)  # of another project, and in front of what was asked for here
        own = ["-c", str(configuration), "--rootdir", str(folder), "-p", "no:cacheprovider", "--no-header"]
        return int(pytest.main([*own, *words, str(listing)], plugins=[self]))

    def pytest_configure(self, config: pytest.Config) -> None:
        """Register the markers."""
        for name, meaning in MARKERS.items():
            config.addinivalue_line("markers", f"{name}: {meaning}")

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> ProbeList | None:
        """Collect the list that was written."""
        if file_path.name != LIST_NAME:
            return None
        found: ProbeList = ProbeList.from_parent(parent, path=file_path)
        found.run = self
        return found


def require_chosen(setting: settings.Setting, extra: Sequence[str]) -> None:
    """Hold what was asked for to a probe that runs, before anything takes long.

    Raises:
        NoProbeError: What was asked for leaves no probe to run.
        BadPytestWordsError: pytest cannot read the words that were meant for it.
    """
    probes = planning.required(setting)
    if not extra:
        return
    heard = io.StringIO()
    with contextlib.redirect_stdout(heard), contextlib.redirect_stderr(heard):
        code = Run(setting, probes=probes).start("--collect-only", "-q", *extra)
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:
        raise planning.NoProbeError(
            f"No probe is left to run: {shlex.join(extra)}.",
            why=f"The words chose none of {', '.join(probe.name for probe in probes)}.",
            next_step="choose others with -k or -m, or leave the words for pytest away",
        )
    if code != pytest.ExitCode.OK:
        raise BadPytestWordsError(
            f"pytest cannot run with: {shlex.join(extra)}.",
            why=plain(heard.getvalue()).strip()[-_LONGEST_WHY:],
            next_step="`pytest --help` lists its options",
        )

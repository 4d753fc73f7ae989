"""Two runs on one prefix: whichever comes first, each ends well or says that another is at work."""

from __future__ import annotations

import io
import multiprocessing
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.synchronize import Barrier
from pathlib import Path

from small_wheelhouse import SmallWheelhouse, package, run_in, run_installer

from ascend_wheelhouse.node.install import program
from ascend_wheelhouse.node.install.environment import Prefix, PrefixBusyError

_CONTEXT = multiprocessing.get_context("fork")
UNSIGNED = "--insecure-no-signature"


class Hearing(io.StringIO):
    """A stream on which something happens once, when a word is said."""

    def __init__(self, word: str, act: Callable[[], None]) -> None:
        super().__init__()
        self._word, self._act = word, act

    def write(self, text: str) -> int:
        """Write, and act where the word is in it."""
        if self._word in text:
            self._word, act = "\0", self._act
            act()
        return super().write(text)


def test_an_older_wheelhouse_that_was_checked_before_a_newer_one_came_is_not_installed_over_it(
    tmp_path: Path,
) -> None:
    """Going back is refused by what is installed once nobody else can install."""
    prefix = tmp_path / "npu"
    serials = {
        serial: SmallWheelhouse(wheels=[package("alpha", f"{serial}.0")], serial=serial).write(
            tmp_path / str(serial)
        )
        for serial in (1, 2, 3)
    }
    assert run_installer(serials[1], "--prefix", prefix, UNSIGNED).status == 0

    def newer() -> None:
        assert run_installer(serials[3], "--prefix", prefix, UNSIGNED).status == 0

    def older() -> None:
        said = Hearing("checked ", newer)
        words = ["--bundle", str(serials[2]), "--prefix", str(prefix), UNSIGNED]
        with redirect_stderr(said), redirect_stdout(io.StringIO()):
            status = program.main(words)
        (tmp_path / "said").write_text(f"{status} {said.getvalue()}")

    process = _CONTEXT.Process(target=older)
    process.start()
    process.join()
    said = (tmp_path / "said").read_text()
    assert said.startswith("10 ")
    assert f"Another install works in {prefix}" in said
    assert run_in(prefix, "python", "-c", "import alpha; print(alpha.version)") == "3.0"


def _claim(root: Path, start: Barrier) -> None:
    start.wait()
    try:
        with Prefix(root=root).locked():
            pass
    except PrefixBusyError:
        return


def test_an_install_and_an_uninstall_leave_a_prefix_that_is_whole_or_none(tmp_path: Path) -> None:
    root = tmp_path / "npu"

    def remove(start: Barrier) -> None:
        start.wait()
        try:
            with Prefix(root=root).locked():
                Prefix(root=root).uninstall()
        except PrefixBusyError:
            return

    for _ in range(60):
        start = _CONTEXT.Barrier(3)
        started = [_CONTEXT.Process(target=remove, args=(start,))]
        started += [_CONTEXT.Process(target=_claim, args=(root, start)) for _ in range(2)]
        for process in started:
            process.start()
        for process in started:
            process.join()
        assert [process.exitcode for process in started] == [0] * 3
        with Prefix(root=root).locked():
            assert root.is_dir()

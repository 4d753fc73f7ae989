"""The verification of the command line: parse, verify, print the table."""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ascend_wheelhouse.base import settings as defaults
from ascend_wheelhouse.base.errors import UsageError, WheelhouseError, file_trouble, unexpected
from ascend_wheelhouse.base.places import real
from ascend_wheelhouse.console.answers import lose
from ascend_wheelhouse.node import supervise
from ascend_wheelhouse.node.given import require_sound
from ascend_wheelhouse.node.host import cann
from ascend_wheelhouse.node.plain import plain
from ascend_wheelhouse.node.probes import CATALOGUE
from ascend_wheelhouse.node.verify import settings, several_nodes
from ascend_wheelhouse.node.verify.announced import known_failures
from ascend_wheelhouse.node.verify.report import table
from ascend_wheelhouse.store.root import default_root
from ascend_wheelhouse.verify import environment, found, prepare, software_node

_READER_LEFT = 141


def _parser() -> argparse.ArgumentParser:
    names = [probe.name for probe in CATALOGUE]
    parser = argparse.ArgumentParser(
        prog="nox -s verify --", description="Verify a wheelhouse in a fresh environment."
    )
    parser.add_argument(
        "--wheelhouse", type=Path, help="its folder; the newest below ./wheelhouse by default"
    )
    parser.add_argument("--report", type=Path, help="where the reports go; ./verify-reports/NAME by default")
    parser.add_argument("--require-npu", action=argparse.BooleanOptionalAction, help="nothing may be skipped")
    parser.add_argument("--only", action="append", default=[], choices=names, metavar="PROBE")
    parser.add_argument("--without", action="append", default=[], choices=names, metavar="PROBE")
    parser.add_argument("--model", default="", help="folder of real weights for the server check")
    parser.add_argument(
        "--topology", default="single", help="which of the stack's serving topologies to start"
    )
    several_nodes.add_arguments(parser)
    parser.add_argument("--ascend", default="", help="the folder of CANN and NNAL, or CANN's own")
    parser.add_argument("--standins", type=Path, help="folder of stand-in modules for serving on a CPU")
    parser.add_argument(
        "--cann", choices=["software"], help="run the probes on NPUs on a software NPU, made here"
    )
    parser.add_argument("--node", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--backend", choices=["uv", "pip"], help="what installs; uv where it is present")
    parser.add_argument("--keep", type=Path, help="a new folder in which the environment stays afterwards")
    parser.add_argument("--known", action="append", default=[], metavar="PROBE[/ITEM]=REASON")
    parser.add_argument("pytest", nargs="*", help="more arguments for pytest")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify and return the exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    given = _parser().parse_args(words)
    supervise.leave_cleanly()
    try:
        require_sound(given)
        defaults.use(Path().absolute())
        return _on_software_node(given, words) if given.cann and not given.node else _run(given)
    except WheelhouseError as error:
        return _fail(error)
    except BrokenPipeError:
        lose(sys.stdout)
        return _READER_LEFT
    except OSError as error:
        return _fail(file_trouble(error))
    except Exception as error:  # noqa: BLE001 - the last line of defence: a text and a code, whatever it is
        return _fail(unexpected(error))


def _fail(error: WheelhouseError) -> int:
    try:
        print(plain(str(error)), file=sys.stderr)  # noqa: T201 - this is what a person reads
    except OSError:  # its reader left, or its disk is full
        lose(sys.stderr)
    return error.exit_code


def _on_software_node(given: argparse.Namespace, words: Sequence[str]) -> int:
    """Make a software node and do the whole verification on it; its own exit code is ours."""
    wheelhouse = found.find(given.wheelhouse, Path("wheelhouse"))
    node = _node(given, wheelhouse)
    if node.machine != platform.machine():
        return _run(given, node)
    made = software_node.packages(node, default_root())
    with tempfile.TemporaryDirectory(prefix="av-node-") as folder:
        place = software_node.make(node, made, Path(folder))
        again = [sys.executable, "-m", "ascend_wheelhouse.verify.program", *words, "--node", str(made)]
        return subprocess.run(software_node.entering(node, place, again), check=False).returncode


def _node(given: argparse.Namespace, wheelhouse: found.FoundWheelhouse) -> software_node.Node:
    return software_node.node_for(wheelhouse, (given.standins or Path("tests/standins")).resolve() / "cann")


def _run(given: argparse.Namespace, node: software_node.Node | None = None) -> int:
    wheelhouse = found.find(given.wheelhouse, Path("wheelhouse"))
    if given.wheelhouse is None:
        _say(_which(wheelhouse))
    require = _real(given, wheelhouse) if given.require_npu is None else given.require_npu
    reports = given.report or Path("verify-reports") / wheelhouse.folder.name
    options = settings.VerifyOptions(
        require_npu=require,
        only=tuple(given.only),
        without=tuple(given.without),
        model=given.model,
        topology=given.topology,
        nodes=several_nodes.nodes_of(given, _parser()),
        ascend=given.ascend,
        known={**wheelhouse.known_failures, **known_failures(given.known)},
    )
    wanted = prepare.Wanted(
        wheelhouse=wheelhouse,
        options=options,
        standins=given.standins,
        reports=real(reports),
        backend=given.backend or ("uv" if environment.uv_command() else "pip"),
        store=default_root(),
        keep=_new_folder(given.keep),
        payloads=given.node,
        node=node,
        pytest=given.pytest,
    )
    report = prepare.verify(wanted, _say)
    head = f"\n{report.head}" if report.head else ""
    _say(f"{head}\n{table(report.results)}\n\n{report.headline}\nreport: {reports / 'report.html'}")
    return report.exit_code


def _which(wheelhouse: found.FoundWheelhouse) -> str:
    """Name the wheelhouse that is verified where none was named: it may be another cell than the one meant."""
    more = len(found.below(wheelhouse.folder.parent)) - 1
    beside = f", the newest of {more + 1}; --wheelhouse names another" if more else ""
    return f"verifying {wheelhouse.folder.name}{beside}"


def _real(given: argparse.Namespace, wheelhouse: found.FoundWheelhouse) -> bool:
    return cann.look(str(wheelhouse.manifest["cell"].get("cann", "")), named=given.ascend).real


def _new_folder(named: Path | None) -> Path | None:
    if named is not None and named.exists():
        raise UsageError(f"{named} exists.", next_step="--keep with the name of a new folder")
    return real(named) if named is not None else None


def _say(text: str) -> None:
    print(plain(text), flush=True)  # noqa: T201 - this is what a person reads


if __name__ == "__main__":
    raise SystemExit(main())

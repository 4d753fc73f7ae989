"""The build context, built and started by podman on a base that is made like CANN's image; no registry is asked.

The base has what matters here of upstream's (Ascend/cann-container-image,
cann/8.3.rc2-a3-ubuntu22.04-py3.11/Dockerfile@b1aaad7): a toolkit and NNAL in /usr/local/Ascend and their variables.
BiSheng's package and the custom operators are stand-ins that lay out what the real ones do.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cann_tree import CannTree
from podman_rig import IMAGE, podman_with
from small_wheelhouse import CELL, MACHINE, SmallWheelhouse, package

from ascend_wheelhouse.base.process import run
from ascend_wheelhouse.image import context, run_args

pytestmark = [
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("podman") is None, reason="needs podman"),
    pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the base has Python 3.11"),
]

ASCEND = Path("/usr/local/Ascend")
BASE, MADE = "localhost/cann:8.3.rc2-test", "localhost/sglang-npu:test"
BASE_FILE = f"""\
FROM {IMAGE}
COPY Ascend {ASCEND}
ENV ASCEND_HOME_PATH={ASCEND}/ascend-toolkit/latest ATB_HOME_PATH={ASCEND}/nnal/atb/latest/atb/cxx_abi_0
ENV LD_LIBRARY_PATH=${{ATB_HOME_PATH}}/lib:{ASCEND}/driver/lib64/common/: SITE_VARIABLE=kept HOME=/root
ENV PATH=/opt/site/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
"""
BISHENG = """\
#!/bin/sh
[ "$1" != --check ] || exit 0
for word in "$@"; do case $word in --install-path=*) into=${word#*=}/8.5.0/bisheng_toolkit ;; esac; done
mkdir -p "$into/bin"
printf '#!/bin/sh\\necho compiled\\n' > "$into/bin/bishengir-compile" && chmod +x "$into/bin/bishengir-compile"
echo "export PATH=$into/bin:\\$PATH" > "$into/set_env.sh"
"""
OPERATORS = """\
#!/bin/sh
[ "$1" != --check ] || exit 0
[ -n "$ASCEND_HOME_PATH" ] || exit 9
for word in "$@"; do case $word in --install-path=*) into=${word#*=}/vendors/customize ;; esac; done
mkdir -p "$into/bin"
echo "export ASCEND_CUSTOM_OPP_PATH=$into:\\${ASCEND_CUSTOM_OPP_PATH}" > "$into/bin/set_env.bash"
"""
ASKING = (
    "import json, os, shutil, alpha, te; print(json.dumps([dict(os.environ), te.version, alpha.version,"
    " shutil.which('g++'), shutil.which('bishengir-compile'), os.path.exists('/wheelhouse'),"
    " open(alpha.__cached__, 'rb').read(8)[4]]))"
)


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A podman that has the base image."""
    folder = tmp_path_factory.mktemp("base")
    tree = CannTree(root=folder / "Ascend", seen=ASCEND)
    tree.root.mkdir()
    tree.toolkit("8.3.RC2")
    tree.nnal("8.3.RC2")
    (folder / "Containerfile").write_text(BASE_FILE, encoding="utf-8")
    with podman_with() as program:
        build(program, "--tag", BASE, folder)
        yield program


def build(podman: str, *words: str | Path) -> None:
    """Build without a network; in a namespace of our own, since a sandbox may refuse crun's limits."""
    flags = ["--isolation=chroot", "--network=host"]
    run(["unshare", "--net", podman, "build", *flags, *words], timeout=900)


def test_the_image_has_the_payloads_keeps_the_bases_variables_and_starts_in_the_environment(
    podman: str, tmp_path: Path
) -> None:
    payloads = {
        f"Ascend-BiSheng-toolkit_{MACHINE}_20251121.run": BISHENG,
        f"CANN-custom_ops-8.2.0.0-a3-linux.{MACHINE}.run": OPERATORS,
    }
    cell = {**CELL, "npu": "a3", "cann": "8.3.RC2"}
    torch = ("torch", "1.0", {"torch/__init__.py": "def compiled_with_cxx11_abi():\n    return True\n"})
    house = SmallWheelhouse(wheels=[package("alpha"), torch], cell=cell, payloads=payloads, whole_uv=True)
    made = context.write_context(house.write(tmp_path / "house"), tmp_path / "context", base=BASE)
    head, _, rest = made.build.partition(" --file ")
    assert head.startswith("docker build --network=none ")
    build(podman, "--tag", MADE, "--file", *rest.split())

    words = run_args.docker_args("a3", MADE, ["python", "-P", "-c", ASKING])
    started = [podman, "run", "--rm", "--network=none", *words[words.index(MADE) :]]
    variables, te, alpha, compiler, bisheng, left, flags = json.loads(run(started, timeout=120).stdout)

    assert (te, alpha, left) == ("8.3.RC2", "1.0", False)
    assert (
        flags == 3
    )  # compiled in the image and held to its source; what a container compiles goes by its time
    assert compiler == "/usr/bin/g++"  # triton-ascend compiles its launcher when it first runs
    assert bisheng == f"{ASCEND}/8.5.0/bisheng_toolkit/bin/bishengir-compile"
    assert variables["SITE_VARIABLE"] == "kept"
    assert "/opt/site/bin" in variables["PATH"].split(":")
    assert variables["ASCEND_CUSTOM_OPP_PATH"].endswith("/latest/opp/vendors/customize")
    assert variables["ATB_HOME_PATH"].endswith("cxx_abi_1")  # the base was built without a torch: 0
    assert "cxx_abi_0" not in variables["LD_LIBRARY_PATH"]
    assert f"{ASCEND}/driver/lib64/common/" in variables["LD_LIBRARY_PATH"].split(":")


def test_nothing_of_the_build_stays_in_the_image(podman: str) -> None:
    look = ["find", "/opt/sglang-npu", "-name", ".trash-*", "-o", "-path", "*/.work/*"]
    done = run([podman, "run", "--rm", "--network=none", "--entrypoint", "", MADE, *look], timeout=120)
    assert done.stdout == ""

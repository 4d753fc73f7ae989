"""How often the control host pushes each part of a bundle, counted by what it tells its own sftp."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_site import NEEDED, Site, making_site, states

pytestmark = NEEDED
COUNTING = """\
#!/bin/sh
tee -a {log} | exec /usr/bin/sftp "$@"
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with making_site(tmp_path, nodes=4, size=6_000_000, split=2_500_000) as made:
        yield made


def counting_sftp(folder: Path) -> Path:
    """Write an sftp that notes what it is told."""
    program = folder / "sftp"
    program.write_text(COUNTING.format(log=folder / "told"))
    program.chmod(0o755)
    return program


def pushes(site: Site) -> list[int]:
    """Return how often each part was pushed, in their order."""
    told = re.findall(r"put '?(\S+?)'? ", (site.folder / "told").read_text())
    counts = Counter(Path(path).name for path in told)
    return [counts[part.name] for part in site.bundles]


def test_each_part_is_pushed_once_more_for_a_first_node_that_goes_away_and_never_for_one_that_fails(
    site: Site,
) -> None:
    site.cluster.slow_down("n1", "4mbit")
    process = site.start(
        {"n2": "0" * 64}, sglang_npu_serial=3, ansible_sftp_executable=str(counting_sftp(site.folder))
    )
    site.wait_for(site.folder / "n1/cache" / site.bundles[0].name, process)
    site.cluster.link("n1", "down")
    done = site.finish(process)
    wanted = {"n1": "not reached", "n2": "failed", "n3": "installed", "n4": "installed"}
    assert states(site.report()) == wanted, done.text
    first, *others = pushes(site)
    assert first == 2
    assert set(others) <= {1, 2}
    assert others[-1] == 1

"""Both resolvers, run for real against a small index: each test holds for either."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from local_index import LocalIndex, serving, write_wheel
from packaging.version import Version

from ascend_wheelhouse.base.errors import ResolveError, SourceUnreachableError
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder, IndexPin
from ascend_wheelhouse.origins.pip_config import PipConfig
from ascend_wheelhouse.resolve.errors import (
    BadRequirementError,
    ClosedNameError,
    ConflictError,
    NoCandidateError,
)
from ascend_wheelhouse.resolve.pip_tools import PipToolsResolver
from ascend_wheelhouse.resolve.request import ExtraIndex, Pin, Resolver, ResolveRequest
from ascend_wheelhouse.resolve.uv import UvResolver

ARM = Target(machine="aarch64")
INTEL = Target(machine="x86_64")
MakeResolver = Callable[[str], Resolver]


@pytest.fixture
def index() -> Iterator[LocalIndex]:
    with serving(LocalIndex()) as served:
        yield served


@pytest.fixture(params=["pip-tools", "uv"])
def make_resolver(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> MakeResolver:
    """A function from an index URL to a resolver, once for each kind of resolver."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip-cache"))

    def make(url: str) -> Resolver:
        config = PipConfig(index_url=url, retries=0)
        if request.param == "uv":
            return UvResolver(config=config)
        return PipToolsResolver(http=Http(config), cache=tmp_path / "pip-tools")

    return make


@pytest.fixture
def resolver(make_resolver: MakeResolver, index: LocalIndex) -> Resolver:
    """Each kind of resolver, asking the local index."""
    return make_resolver(index.url)


@pytest.mark.parametrize(("target", "own"), [(ARM, "for-arm"), (INTEL, "for-intel")])
def test_markers_and_tags_are_those_of_the_target(
    resolver: Resolver, index: LocalIndex, target: Target, own: str
) -> None:
    index.add(
        "app",
        "1.0",
        [
            'for-arm; platform_machine == "aarch64"',
            'for-intel; platform_machine == "x86_64"',
            'for-first-patch; python_full_version < "3.11.1"',
            'for-release; platform_release != ""',
            "native",
        ],
    )
    for name in ("for-arm", "for-intel", "for-first-patch", "for-release"):
        index.add(name, "1.0")
    index.add("native", "1.0", tag=f"cp311-cp311-manylinux_2_28_{target.machine}")
    index.add("native", "2.0", tag=f"cp311-cp311-manylinux_2_31_{target.machine}")
    index.add("native", "3.0", tag="cp311-cp311-manylinux_2_28_s390x")
    answer = resolver.resolve(ResolveRequest(requirements=("app",), target=target))
    assert answer.versions() == {"app": "1.0", own: "1.0", "for-first-patch": "1.0", "native": "1.0"}


def test_pins_are_sorted_and_tell_who_asked(resolver: Resolver, index: LocalIndex) -> None:
    index.add("zeta", "1.0", ["Alpha_Beta>=1", "shared"])
    index.add("alpha-beta", "1.5", ["shared"])
    index.add("shared", "0.1")
    answer = resolver.resolve(ResolveRequest(requirements=("zeta", "shared"), target=ARM))
    assert [(str(pin), pin.via, pin.direct) for pin in answer.pins] == [
        ("alpha-beta==1.5", ("zeta",), False),
        ("shared==0.1", ("alpha-beta", "zeta"), True),
        ("zeta==1.0", (), True),
    ]
    assert answer.resolver == resolver.name


def test_kept_pins_stay_but_where_another_needs_them_to_move(resolver: Resolver, index: LocalIndex) -> None:
    index.add("app", "1.0", ["alpha", "beta", "gamma"])
    index.add("alpha", "1.0", ["beta>=1"])
    index.add("alpha", "2.0", ["beta>=2"])
    for name in ("beta", "gamma"):
        for version in ("1.0", "2.0", "3.0"):
            index.add(name, version)
    request = ResolveRequest(requirements=("app",), target=ARM)
    kept = ("app==1.0", "alpha==1.0", "beta==1.0", "gamma==1.0")
    stays = resolver.resolve(replace(request, kept=kept)).versions()
    assert stays == {"app": "1.0", "alpha": "1.0", "beta": "1.0", "gamma": "1.0"}
    moves = resolver.resolve(replace(request, kept=("app==1.0", "beta==2.0", "gamma==1.0"))).versions()
    assert moves == {"app": "1.0", "alpha": "2.0", "beta": "2.0", "gamma": "1.0"}
    bound = replace(request, kept=("app==1.0", "beta==1.0", "gamma==1.0"), constraints=("alpha==2.0",))
    found = resolver.resolve(bound).versions()
    assert Version(found.pop("beta")) >= Version("2.0")
    assert found == {"app": "1.0", "alpha": "2.0", "gamma": "1.0"}
    gone = resolver.resolve(replace(request, kept=(*kept[:3], "gamma==0.9", "left==1.0"))).versions()
    assert gone == {"app": "1.0", "alpha": "1.0", "beta": "1.0", "gamma": "3.0"}


def test_an_excluded_name_takes_its_own_requirements_with_it(resolver: Resolver, index: LocalIndex) -> None:
    """Nor does its exact pin, or what it needs, bind anything else."""
    index.add("grammar", "1.0", ["triton==3.4.0", "setuptools"])
    index.add("kernels", "1.0", ["triton==3.5.0"])
    index.add("triton", "3.4.0", ["setuptools<70", "only-triton"])
    index.add("only-triton", "1.0")
    index.add("setuptools", "80.0")
    index.add("setuptools", "69.0")
    request = ResolveRequest(requirements=("grammar",), excludes=("Triton",), target=ARM)
    assert resolver.resolve(request).versions() == {"grammar": "1.0", "setuptools": "80.0"}


def test_an_excluded_name_may_be_pinned_to_a_version_without_a_wheel_for_the_target(
    resolver: Resolver, index: LocalIndex
) -> None:
    """As vllm-ascend pins arctic-inference 0.1.1, of which the index has no wheel."""
    index.add("plugin", "1.0", ["inference==0.1.1"])
    index.add("inference", "0.0.4")
    index.add("inference", "0.1.1", tag="cp39-cp39-win_amd64")
    request = ResolveRequest(requirements=("plugin",), excludes=("inference",), target=ARM)
    assert resolver.resolve(request).versions() == {"plugin": "1.0"}


def test_nothing_uploaded_at_the_cutoff_or_later_is_taken(resolver: Resolver, index: LocalIndex) -> None:
    for version, when in (("1.0", "2025-03-01"), ("2.0", "2025-03-02"), ("3.0", "2025-03-03")):
        index.add("dated", version, when=when)
    for limit, version in (
        (date(2025, 3, 2), "1.0"),
        (datetime(2025, 3, 2, 0, 0, 1, tzinfo=UTC), "2.0"),
    ):
        request = ResolveRequest(requirements=("dated",), target=ARM, exclude_newer=limit)
        assert resolver.resolve(request).versions() == {"dated": version}


def test_prereleases_only_where_named(resolver: Resolver, index: LocalIndex) -> None:
    for name in ("plain", "admitted", "pinned"):
        index.add(name, "1.0")
        index.add(name, "2.0rc1")
    request = ResolveRequest(
        requirements=("plain", "admitted", "pinned==2.0rc1"), target=ARM, allow_prerelease=("admitted",)
    )
    assert resolver.resolve(request).versions() == {"admitted": "2.0rc1", "pinned": "2.0rc1", "plain": "1.0"}


def test_a_constraint_binds_only_what_is_needed(resolver: Resolver, index: LocalIndex) -> None:
    index.add("used", "1.0")
    index.add("used", "2.0")
    index.add("unused", "1.0")
    request = ResolveRequest(requirements=("used",), constraints=("used<2", "unused<2"), target=ARM)
    assert resolver.resolve(request).versions() == {"used": "1.0"}


def test_a_closed_name_comes_from_the_folder_alone(
    resolver: Resolver, index: LocalIndex, tmp_path: Path
) -> None:
    index.add("server", "1.0", ["deep-ep"])
    index.add("deep-ep", "9.0", ["cuda-only"])
    write_wheel(tmp_path / "own", "deep-ep", "1.0+abc.a3")
    write_wheel(tmp_path / "own", "deep-ep", "2.0", tag="cp311-cp311-linux_s390x")
    request = ResolveRequest(
        requirements=("server",),
        target=ARM,
        closed=("Deep_EP",),
        find_links=(tmp_path / "own",),
        exclude_newer=date(2026, 1, 1),
    )
    assert resolver.resolve(request).versions() == {"deep-ep": "1.0+abc.a3", "server": "1.0"}
    assert not [path for path in index.asked if "deep" in path and "cuda" in path]


def test_an_imported_wheel_is_held_to_what_others_ask_of_it(
    resolver: Resolver, index: LocalIndex, tmp_path: Path
) -> None:
    """Else a lock holds what cannot go together; a release without a local part is met by one with it."""
    write_wheel(tmp_path, "kernels", "1.0a3")
    write_wheel(tmp_path, "deep-ep", "1.0+abc.a3")
    index.add("server", "1.0", ["kernels", "deep-ep==1.0"])
    index.add("server", "2.0", ["kernels>=2", "deep-ep"])
    for name in ("kernels", "deep-ep"):
        index.add(name, "9.0")
    request = ResolveRequest(
        requirements=("server==1.0",), target=ARM, closed=("kernels", "deep-ep"), find_links=(tmp_path,)
    )
    assert resolver.resolve(request).versions() == {
        "deep-ep": "1.0+abc.a3",
        "kernels": "1.0a3",
        "server": "1.0",
    }
    for lines in (("server==2.0",), ("server==1.0", "deep-ep==1.1")):
        with pytest.raises(ResolveError, match="kernels" if len(lines) == 1 else "deep-ep"):
            resolver.resolve(replace(request, requirements=lines))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("UV_RESOLUTION", "lowest"),
        ("UV_EXCLUDE_NEWER", "2020-01-01"),
        ("UV_DEFAULT_INDEX", "http://127.0.0.1:9/"),
        ("PIP_PRE", "1"),
        ("PIP_UPLOADED_PRIOR_TO", "2020-01-01"),
    ],
)
def test_what_a_person_has_told_a_tool_besides_changes_no_version(
    resolver: Resolver, index: LocalIndex, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """A lock says what was asked; another host, or the other resolver, must come to the same."""
    monkeypatch.setenv(variable, value)
    for version in ("1.0", "2.0", "3.0a1"):
        index.add("alpha", version)
    request = ResolveRequest(requirements=("alpha",), target=ARM)
    assert resolver.resolve(request).versions() == {"alpha": "2.0"}


def test_a_closed_name_that_nobody_imported_is_refused(resolver: Resolver, index: LocalIndex) -> None:
    index.add("server", "1.0", ["deep-ep"])
    index.add("deep-ep", "9.0")
    request = ResolveRequest(requirements=("server",), target=ARM, closed=("deep-ep",))
    with pytest.raises(ClosedNameError, match=r"^There is no wheel of deep-ep for this cell yet") as told:
        resolver.resolve(request)
    assert "no wheel of the version for this cell was found there" in told.value.why


def test_an_extra_index_supplies_its_names_and_no_others(resolver: Resolver, index: LocalIndex) -> None:
    index.add("torch", "2.8.0", ["helper"])
    index.add("helper", "1.0")
    with serving(LocalIndex(upload_times=False)) as cpu:
        cpu.add("torch", "2.8.0+cpu", ["helper"])
        cpu.add("helper", "9.0")
        request = ResolveRequest(
            requirements=("torch==2.8.0+cpu",),
            target=INTEL,
            extra_indexes=(ExtraIndex(url=cpu.url, names=("torch",)),),
            exclude_newer=date(2026, 1, 1),
        )
        answer = resolver.resolve(request)
    assert answer.versions() == {"helper": "1.0", "torch": "2.8.0+cpu"}


def test_a_conflict_names_both_sides_and_no_host(resolver: Resolver, index: LocalIndex) -> None:
    index.add("npu", "1.0", ["torch==2.8.0"])
    index.add("torch", "2.8.0")
    index.add("torch", "2.9.1")
    with pytest.raises(ConflictError, match=r"requirements contradict each other") as caught:
        resolver.resolve(ResolveRequest(requirements=("npu", "torch==2.9.1"), target=ARM))
    assert {"npu", "torch==2.8.0", "torch==2.9.1"} <= set(caught.value.why.replace(",", " ").split())
    assert "127.0.0.1" not in str(caught.value)


def test_a_name_without_a_wheel_for_the_target_is_named(resolver: Resolver, index: LocalIndex) -> None:
    index.add("rare", "1.0", tag="cp311-cp311-manylinux_2_28_x86_64")
    with pytest.raises(
        NoCandidateError, match=r"no version with a wheel for manylinux_2_28_aarch64"
    ) as caught:
        resolver.resolve(ResolveRequest(requirements=("rare",), target=ARM))
    assert "rare" in caught.value.why


def test_an_unknown_name_is_named(resolver: Resolver, index: LocalIndex) -> None:
    index.add("other", "1.0")
    with pytest.raises(NoCandidateError) as caught:
        resolver.resolve(ResolveRequest(requirements=("no-such-name",), target=ARM))
    assert "no-such-name" in caught.value.why


def test_a_bad_requirement_is_shown(resolver: Resolver) -> None:
    with pytest.raises(BadRequirementError) as caught:
        resolver.resolve(ResolveRequest(requirements=("torch=2.8",), target=ARM))
    assert "torch=2.8" in str(caught.value)


def test_an_index_that_does_not_answer_is_no_missing_version(
    make_resolver: Callable[[str], Resolver],
) -> None:
    resolver = make_resolver("http://127.0.0.1:9/simple")
    with pytest.raises(SourceUnreachableError):
        resolver.resolve(ResolveRequest(requirements=("torch",), target=ARM))


def test_uv_tells_the_files_of_an_index_that_gives_sizes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are those that the index finder chooses: of two builds of a wheel the later, as pip does."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path))
    pins = [IndexPin(name="app", version="1.0"), IndexPin(name="native", version="2.0")]
    with serving(LocalIndex(speaks_json=True)) as index:
        index.add("app", "1.0", ["native"])
        for tag in (
            "py3-none-any",
            "cp311-cp311-manylinux_2_28_aarch64",
            "2-cp311-cp311-manylinux_2_28_aarch64",
            "1-cp311-cp311-manylinux_2_28_aarch64",
            "cp311-cp311-manylinux_2_28_x86_64",
        ):
            index.add("native", "2.0", tag=tag)
        config = PipConfig(index_url=index.url)
        found = Finder(Http(config)).find_all(pins, ARM)
        answer = UvResolver(config=config).resolve(ResolveRequest(requirements=("app",), target=ARM))
    assert answer.files == tuple(each.artifact for each in found)
    assert answer.files[1].filename == "native-2.0-2-cp311-cp311-manylinux_2_28_aarch64.whl"


def test_uv_leaves_what_an_index_hides_to_the_finder(index: LocalIndex) -> None:
    index.add("app", "1.0")
    resolver = UvResolver(config=PipConfig(index_url=index.url))
    answer = resolver.resolve(ResolveRequest(requirements=("app",), target=ARM))
    assert answer.versions() == {"app": "1.0"}
    assert answer.files == ()


@pytest.mark.parametrize("page", ["https://links.example/wheels", "https://links.example/a,b"])
def test_a_login_of_an_index_is_in_no_command_line(monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    """Every user of a host can list the processes of the others."""
    started: list[Sequence[object]] = []

    def run(command: Sequence[object], **_: object) -> None:
        started.append(command)
        raise InterruptedError

    monkeypatch.setattr("ascend_wheelhouse.resolve.tool.run", run)
    login = "https://me:s3cret@"
    config = PipConfig(
        index_url=f"{login}index.example/simple",
        extra_index_urls=(f"{login}more.example/simple",),
        find_links=(page, f"{login}links.example/"),
    )
    with pytest.raises(InterruptedError):
        UvResolver(config=config).resolve(ResolveRequest(requirements=("app",), target=ARM))
    assert not any("s3cret" in str(word) for word in started[0])


def test_a_pin_reads_as_a_requirement() -> None:
    assert str(Pin(name="torch", version="2.8.0")) == "torch==2.8.0"
    assert issubclass(ConflictError, ResolveError)

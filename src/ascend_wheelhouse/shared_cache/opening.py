"""The caches that a run was told of, looked at before anything starts: what is wrong with one is said then.

A URL that is none, a key that cannot sign and a place that refuses this login are errors: they were asked for by name.
A place that does not answer is a warning: the run does all by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec

from ascend_wheelhouse.base.errors import HostUnfitError, SourceUnreachableError, UsageError
from ascend_wheelhouse.base.events import Emit, Note
from ascend_wheelhouse.base.places import at_home
from ascend_wheelhouse.folder.signing import Signer
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.node.trust.signature import TrustedKeyError, trusted_fingerprints
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.origins.pip_config import PipConfig
from ascend_wheelhouse.shared_cache.address import Address
from ascend_wheelhouse.shared_cache.choice import CacheChoice
from ascend_wheelhouse.shared_cache.folder_remote import FolderRemote
from ascend_wheelhouse.shared_cache.http_remote import HttpRemote
from ascend_wheelhouse.shared_cache.remote import Remote, RemoteError, RemoteRefusedError
from ascend_wheelhouse.shared_cache.s3_remote import S3Remote
from ascend_wheelhouse.shared_cache.sftp_remote import SftpRemote
from ascend_wheelhouse.shared_cache.site import MARK, MARK_CONTENT, WRITERS, Site

_RETRIES = 3
_LIBRARIES = {"s3": "s3fs", "sftp": "paramiko"}


class CacheRefusedError(SourceUnreachableError):
    """A cache lets this host not read it."""


class CacheNotWritableError(SourceUnreachableError):
    """A cache lets this host not write to it, and a key for pushing was given."""


class CacheLibraryMissingError(HostUnfitError):
    """What a kind of cache is reached with is not installed."""


class ReadOnlyCacheError(UsageError):
    """A key for pushing was given, and no cache that can be pushed to."""


def open_sites(choice: CacheChoice, emit: Emit) -> list[Site]:
    """Return the caches that answer.

    Args:
        choice: The caches.
        emit: Told of warnings.

    Raises:
        UsageError: A URL, the key or a trusted key is none.
        CacheLibraryMissingError: What reaches a cache is not installed.
        CacheRefusedError, CacheNotWritableError: A cache lets this host not do what it was told to.
    """
    addresses, signer, trusted = read_choice(choice)

    def warn(text: str) -> None:
        emit(Note(text=text, level="warning"))

    if not trusted:
        warn(
            "no key of the shared cache is trusted: files come from there, builds do not (--cache-trust FILE.pub)"
        )
    config = replace(PipConfig.read(), retries=_RETRIES)
    http = Http(config, Mirrors(), tell=emit)
    sites = [
        Site(remote=reach(one, http), trusted=trusted, signer=signer, warn=warn, http=http)
        for one in addresses
    ]
    return [site for site in sites if _answers(site, lambda text: emit(Note(text=text)), warn)]


def read_choice(choice: CacheChoice) -> tuple[list[Address], Signer | None, frozenset[str]]:
    """Return the addresses, who signs, and the fingerprints that are trusted; nobody is asked.

    Raises:
        UsageError: A URL, the key or a trusted key is none.
    """
    addresses = [Address.of(url) for url in choice.urls]
    signer = Signer(choice.key) if choice.key else None
    trusted = trusted_keys(choice) | ({signer.fingerprint} if signer else frozenset())
    if signer and addresses and all(one.scheme in {"http", "https"} for one in addresses):
        raise ReadOnlyCacheError(
            f"{addresses[0].shown} can be read alone, and --cache-key is for pushing.",
            why="A web server takes no files: it serves what was pushed by another way.",
            next_step="leave --cache-key away, or name the cache as s3://, sftp:// or file://",
        )
    return addresses, signer, trusted


def trusted_keys(choice: CacheChoice) -> frozenset[str]:
    """Return the fingerprints that a choice trusts.

    Raises:
        TrustedKeyError: A file or folder holds none.
    """
    found: frozenset[str] = frozenset()
    for item in choice.trust:
        folder = at_home(item)
        if not folder.is_dir():
            found |= trusted_fingerprints(item if item.startswith("SHA256:") else folder)
            continue
        files = sorted(folder.glob("*.pub"))
        if not files:
            raise TrustedKeyError(f"{item} holds no *.pub file.", next_step="--cache-trust FILE.pub")
        found = found.union(*map(trusted_fingerprints, files))
    return found


def reach(address: Address, http: Http) -> Remote:
    """Return the place of an address; nothing is asked of it yet.

    Raises:
        CacheLibraryMissingError: What reaches it is not installed.
    """
    library = _LIBRARIES.get(address.scheme)
    if library and find_spec(library) is None:
        raise CacheLibraryMissingError(
            f"{address.shown} needs {library}, which is not installed.",
            next_step="pip install 'ascend-wheelhouse[cache]'",
        )
    if address.scheme == "s3":
        return S3Remote(address, http.config)
    if address.scheme == "sftp":
        return SftpRemote(address)
    return FolderRemote(address) if address.scheme == "file" else HttpRemote(address, http)


def _answers(site: Site, tell: Callable[[str], None], warn: Callable[[str], None]) -> bool:
    """Tell whether a cache is of use, and make sure of the rights that this run was promised."""
    try:
        mark = site.remote.read(MARK)
    except RemoteRefusedError as error:
        raise refused(site.remote, error) from error
    except RemoteError as error:
        warn(f"{site.remote.shown} does not answer, and this run goes on without it: {error}")
        return False
    if mark is not None and mark != MARK_CONTENT:
        warn(f"{site.remote.shown} {_foreign(mark)}, and is not used")
        return False
    if site.signer is None or not site.remote.writable:
        if mark is None:
            warn(f"{site.remote.shown} holds nothing: nobody has pushed there yet, or the URL is mistyped")
        return True
    return _greets(site, site.signer, tell, warn)


def _foreign(mark: bytes) -> str:
    """Return what a place is whose mark is not ours: another version's, or a page of a server, and no cache."""
    try:
        documents.read(mark, {"schema": int})
    except documents.UnsoundError:
        return f"answers with something else for {MARK}, such as a page of a web server"
    return "is laid out by another version of this tool"


def _greets(site: Site, signer: Signer, tell: Callable[[str], None], warn: Callable[[str], None]) -> bool:
    """Say who pushes, which also shows that this host may; a place that held nothing is told: it may be mistyped."""
    name = f"{WRITERS}/{signer.public_key.hex()}.pub"
    try:
        site.remote.write(name, f"{signer.public_line}\n".encode(), replace=True)
        if site.remote.write(MARK, MARK_CONTENT, replace=False):
            tell(f"{site.remote.shown} held nothing: this run begins a cache there")
    except RemoteRefusedError as error:
        raise CacheNotWritableError(
            f"{site.remote.shown} cannot be written with this login: {error}.",
            why="--cache-key says that this run pushes, and the place lets it only read.",
            next_step="leave --cache-key away to read alone, or have the rights of docs/cache.md given to this login",
        ) from error
    except RemoteError as error:
        warn(f"{site.remote.shown} cannot be written, and nothing is pushed: {error}")
        site.signer = None
    return True


def refused(remote: Remote, error: RemoteRefusedError) -> CacheRefusedError:
    """Return the error for a cache that this host may not read."""
    return CacheRefusedError(
        f"{remote.shown} refuses this login: {error}.",
        why=error.why,
        next_step=error.next_step,
    )

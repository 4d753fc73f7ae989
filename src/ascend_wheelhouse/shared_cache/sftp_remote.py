"""A cache on a host that is reached by SSH: its keys and settings are those of OpenSSH, an unknown host is refused."""

from __future__ import annotations

import logging
import secrets
import socket
import stat
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

from ascend_wheelhouse.base.full_disk import FULL
from ascend_wheelhouse.base.places import at_home
from ascend_wheelhouse.shared_cache.address import Address
from ascend_wheelhouse.shared_cache.remote import (
    INCOMING,
    LARGEST_TEXT,
    FolderClosedError,
    HostKeyError,
    NoSpaceError,
    RemoteError,
    RemoteRefusedError,
    Stored,
    UnavailableError,
    shared_mode,
)
from ascend_wheelhouse.shared_cache.ssh_way import SshWay, settings_of, way_to

if TYPE_CHECKING:
    from paramiko import SFTPClient, SSHClient, SSHException

_SECONDS = 20.0
_SSH_PORT = 22
_CHUNK = 1 << 20
_AHEAD = 64 << 20
_UNKNOWN_HOST = "not found in known_hosts"
_KNOWN_HOSTS = {
    "userknownhostsfile": "",
    "globalknownhostsfile": "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2",
}
"""Settings that name files with hosts' keys, and what they are without: ssh_config(5)."""


class SftpRemote:
    """A folder on another host.

    Args:
        address: Host, folder and login; the rest is from OpenSSH's configuration.
    """

    writable: ClassVar[bool] = True

    def __init__(self, address: Address) -> None:
        self.shown = address.shown
        self._address = address
        self._root = PurePosixPath(address.path)
        self._guard = threading.Lock()
        self._here = threading.local()
        self._client: SSHClient | None = None

    def read(self, name: str) -> bytes | None:
        """Return a small object; None where there is none."""
        with self._telling() as sftp:
            try:
                with sftp.open(self._place(name), "rb") as file:
                    return bytes(file.read(LARGEST_TEXT))
            except FileNotFoundError:
                return None

    def stat(self, name: str) -> Stored | None:
        """Return what there is of a name; None where there is nothing."""
        with self._telling() as sftp:
            try:
                found = sftp.stat(self._place(name))
            except FileNotFoundError:
                return None
        return Stored(name=name, size=found.st_size or 0, modified=found.st_mtime or 0)

    def url(self, name: str) -> str:
        """Return nothing: no HTTP client reads it."""
        del name
        return ""

    def copy(self, name: str, offset: int) -> Iterator[bytes] | None:
        """Yield an object's bytes from an offset, asked for ahead; None where there is none."""
        found = self.stat(name)
        return None if found is None else self._copy(name, offset, found.size)

    def _copy(self, name: str, offset: int, size: int) -> Iterator[bytes]:
        with self._telling() as sftp, sftp.open(self._place(name), "rb") as file:
            for start in range(offset, size, _AHEAD):
                end = min(start + _AHEAD, size)
                yield from file.readv([(at, min(_CHUNK, end - at)) for at in range(start, end, _CHUNK)])

    def write(self, name: str, content: bytes, *, replace: bool) -> bool:
        """Write a small object; tell whether it was, which without `replace` an older one stops."""
        with self._telling(writing=True) as sftp, self._beside(sftp) as beside:
            with sftp.open(beside, "wb") as file:
                file.write(content)
            self._share(sftp, beside)
            return self._move(sftp, beside, name, replace=replace)

    def upload(self, name: str, source: Path) -> None:
        """Write a file, over any older one."""
        with self._telling(writing=True) as sftp, self._beside(sftp) as beside:
            sftp.put(str(source), beside)
            self._share(sftp, beside)
            self._move(sftp, beside, name, replace=True)

    def refresh(self, name: str) -> None:
        """Have an object count as new: both its times are the server's own, told by a new file there."""
        with self._telling(writing=True) as sftp, self._beside(sftp) as beside:
            sftp.open(beside, "wb").close()
            now = sftp.stat(beside).st_mtime or 0
            sftp.utime(self._place(name), (now, now))

    def listing(self, folder: str) -> Iterator[Stored]:
        """Yield every object below a folder, which may be no link: what lies behind one is not the cache's."""
        with self._telling() as sftp:
            try:
                if stat.S_ISLNK(sftp.lstat(self._place(folder)).st_mode or 0):
                    raise RemoteRefusedError(f"{folder} is a link there, and no folder")
                rows = sftp.listdir_attr(self._place(folder))
            except FileNotFoundError:
                return
        for row in rows:
            name = f"{folder}/{row.filename}"
            if stat.S_ISDIR(row.st_mode or 0):
                yield from self.listing(name)
            else:
                yield Stored(name=name, size=row.st_size or 0, modified=row.st_mtime or 0)

    def remove(self, names: Sequence[str]) -> None:
        """Remove objects, those that are gone already included."""
        with self._telling(writing=True) as sftp:
            for name in names:
                with suppress(FileNotFoundError):
                    sftp.remove(self._place(name))

    def drop_unfinished(self, before: float) -> None:
        """Remove what killed writers left."""
        self.remove([one.name for one in self.listing(INCOMING) if one.modified < before])

    def _place(self, name: str) -> str:
        return str(self._root / name)

    @contextmanager
    def _beside(self, sftp: SFTPClient) -> Iterator[str]:
        """Give a name in the folder of what is on its way; the cache's own folder is made, none above it."""
        for folder in (self._root, self._root / INCOMING):
            self._make_folder(sftp, str(folder))
        beside = self._place(f"{INCOMING}/{secrets.token_hex(16)}")
        try:
            yield beside
        finally:
            with suppress(OSError):
                sftp.remove(beside)

    def _move(self, sftp: SFTPClient, beside: str, name: str, *, replace: bool) -> bool:
        place = self._root / name
        for folder in reversed([one for one in place.parents if one.is_relative_to(self._root)]):
            self._make_folder(sftp, str(folder))
        if replace:
            sftp.posix_rename(beside, str(place))
            return True
        try:
            sftp.rename(
                beside, str(place)
            )  # SFTP's own rename, unlike POSIX's, puts nothing over what is there
        except OSError:
            if self.stat(name) is None:
                raise
            return False
        return True

    def _make_folder(self, sftp: SFTPClient, path: str) -> None:
        if _exists(sftp, path):
            return
        try:
            sftp.mkdir(path)
        except FileNotFoundError as error:
            raise RemoteRefusedError("its folder is missing, and so is the one above") from error
        except OSError:
            sftp.stat(path)  # another writer was first
        else:
            self._share(sftp, path)

    def _share(self, sftp: SFTPClient, path: str) -> None:
        """Give what this login made the group and the rights of the cache's own folder, whatever its umask."""
        above, found = sftp.stat(str(self._root)), sftp.stat(path)
        if found.st_gid != above.st_gid and found.st_uid is not None and above.st_gid is not None:
            with suppress(OSError):  # of a group that this login is not in
                sftp.chown(path, found.st_uid, above.st_gid)
        mode = shared_mode(found.st_mode or 0, above.st_mode or 0)
        if mode != stat.S_IMODE(found.st_mode or 0):
            with suppress(OSError):  # on file systems without such rights
                sftp.chmod(path, mode)

    @contextmanager
    def _telling(self, *, writing: bool = False) -> Iterator[SFTPClient]:
        import paramiko  # noqa: PLC0415 - whoever has no such cache does not pay for it

        try:
            yield self._session()
        except RemoteError:
            raise
        except FileNotFoundError as error:
            raise UnavailableError("what was there is gone") from error
        except PermissionError as error:
            raise FolderClosedError("permission denied") from error
        except paramiko.SSHException as error:
            self._forget()
            raise self._fault(error) from error
        except (OSError, EOFError) as error:
            failed = "Failure" in str(error)  # SFTP 3 has one word for a full disk and for a faulty one
            if getattr(error, "errno", None) in FULL or (failed and writing):
                raise NoSpaceError("the server could not write: its disk may be full") from error
            if failed:
                raise UnavailableError(
                    "the server could not read: its disk may be faulty, or a folder lies where a file should"
                ) from error
            self._forget()
            raise UnavailableError(self._address.scrubbed(_words(error))) from error

    def _fault(self, error: SSHException) -> RemoteError:
        import paramiko  # noqa: PLC0415 - as above

        if isinstance(error, paramiko.BadHostKeyException):
            return HostKeyError("its host key is another than known_hosts says")
        if isinstance(error, paramiko.PasswordRequiredException):
            return RemoteRefusedError("a private key has a passphrase, and ssh-agent does not hold it")
        if isinstance(error, paramiko.AuthenticationException):
            return RemoteRefusedError(str(error).rstrip("."))
        if _UNKNOWN_HOST in str(error):
            text = (
                f"its host key is not in known_hosts: ssh-keyscan {self._address.host}, compare, and add it"
            )
            return HostKeyError(text)
        return UnavailableError(self._address.scrubbed(str(error)))

    def _session(self) -> SFTPClient:
        """Return this thread's channel of the one connection."""
        with self._guard:
            if self._client is None:
                self._client = _connected(self._address)
            client = self._client
        if getattr(self._here, "client", None) is not client:
            sftp = client.open_sftp()
            if channel := sftp.get_channel():
                channel.settimeout(_SECONDS)
            self._here.client, self._here.sftp = client, sftp
        session: SFTPClient = self._here.sftp
        return session

    def _forget(self) -> None:
        """Connect anew for what is asked next."""
        with self._guard:
            client, self._client = self._client, None
        if client:
            client.close()


def _words(error: Exception) -> str:
    """Return what broke, in words: the libraries have none for what is usual."""
    if isinstance(error, EOFError):
        return "the connection ended"
    return f"nothing came for {_SECONDS:.0f} s" if isinstance(error, TimeoutError) else str(error)


def _exists(sftp: SFTPClient, path: str) -> bool:
    try:
        sftp.stat(path)
    except FileNotFoundError:
        return False
    return True


def _connected(address: Address) -> SSHClient:
    import paramiko  # noqa: PLC0415 - as above

    logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # what it tells is told by our errors
    settings: Any = settings_of(address)
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    _load_keys(client, settings)
    host = settings.get("hostname", address.host)
    port = address.port or int(settings.get("port", _SSH_PORT))
    user = address.user or settings.get("user")
    way = way_to(settings, host, port, user or "")
    if way:
        weakref.finalize(client, way.end)
    alias = settings.get("hostkeyalias")
    try:
        client.connect(
            alias or host,
            port=_SSH_PORT if alias else port,  # known_hosts has an alias without a port
            username=user,
            password=address.password or None,
            key_filename=[path for path in settings.get("identityfile", ()) if at_home(path).is_file()],
            sock=_socket(way, host, port, alias),
            timeout=_SECONDS,
            banner_timeout=_SECONDS,
            auth_timeout=_SECONDS,
        )
    except paramiko.AuthenticationException:
        raise
    except (paramiko.SSHException, OSError, EOFError) as error:
        if way and (said := way.said()):
            raise UnavailableError(f"the way there says: {said}") from error
        if _is_of_login(client, error):
            raise RemoteRefusedError(f"there is no key for it that can be used ({error})") from error
        raise
    return client


def _is_of_login(client: SSHClient, error: Exception) -> bool:
    """Tell whether a connection stood, to the right host, and only the login failed, as for a key that is none."""
    import paramiko  # noqa: PLC0415 - as above

    transport = client.get_transport()
    of_host = isinstance(error, paramiko.BadHostKeyException) or _UNKNOWN_HOST in str(error)
    return (
        isinstance(error, paramiko.SSHException) and not of_host and bool(transport and transport.is_active())
    )


def _load_keys(client: SSHClient, settings: Mapping[str, object]) -> None:
    client.load_system_host_keys()
    known = (str(settings.get(name, usual)) for name, usual in _KNOWN_HOSTS.items())
    for path in " ".join(known).split():
        with suppress(OSError):
            client.load_system_host_keys(str(at_home(path)))


def _socket(way: SshWay | None, host: str, port: int, alias: str | None) -> socket.socket | None:
    """Return what a connection goes through, None where paramiko shall connect: to the very name of the key."""
    if way:
        return way.socket
    return socket.create_connection((host, port), timeout=_SECONDS) if alias else None

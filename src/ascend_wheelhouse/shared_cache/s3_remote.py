"""A cache in a bucket of S3, or of any server that speaks it, through s3fs; objects are written whole by nature.

Files are read through signed URLs, by the client that fetches everything else: in pieces, continued and checked as
from any origin.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from ascend_wheelhouse.base.full_disk import FULL
from ascend_wheelhouse.origins.pip_config import PipConfig
from ascend_wheelhouse.shared_cache.address import Address
from ascend_wheelhouse.shared_cache.remote import (
    LARGEST_TEXT,
    ClockWrongError,
    LoginExpiredError,
    MissingPlaceError,
    NoSpaceError,
    RemoteError,
    RemoteRefusedError,
    Stored,
    UnavailableError,
)

_CONNECT_SECONDS, _READ_SECONDS, _TRIES = 5, 20, 4
_SIGNED_SECONDS = 6 * 3600
_PART = 16 << 20
_AT_ONCE = 4
_BULK = 1000
_EXPIRED = {"ExpiredToken", "TokenRefreshRequired", "InvalidToken", "RequestExpired"}
_CLOCK_WRONG = {"RequestTimeTooSkewed"}
_ELSEWHERE = {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"}
_NO_LOGIN = {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "ConfigParseError"}
_FULL = {"XMinioStorageFull", "StorageFull", "QuotaExceeded", "EntityTooLarge", "InsufficientStorage", "507"}
_NO_CONDITIONS = {"NotImplemented", "InvalidArgument", "501"}
_CONFLICTS = {"ConditionalRequestConflict", "OperationAborted"}
_CONFLICT_TRIES, _CONFLICT_PAUSE = 5, 0.2


class S3Remote:
    """A prefix of a bucket.

    Args:
        address: Bucket, prefix, login and options.
        config: pip's settings: their certificates hold here, too.
    """

    writable: ClassVar[bool] = True

    def __init__(self, address: Address, config: PipConfig) -> None:
        self.shown = address.shown
        self._address = address
        self._bucket = address.host
        self._prefix = address.path.strip("/")
        self._fs = _file_system(address, config)

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _path(self, name: str) -> str:
        return f"{self._bucket}/{self._key(name)}"

    def read(self, name: str) -> bytes | None:
        """Return a small object; None where there is none."""
        with self._telling():
            try:
                return bytes(self._fs.cat_file(self._path(name), start=0, end=LARGEST_TEXT))
            except FileNotFoundError:
                return None
            except OSError as error:
                if _code(error) in {"InvalidRange", "416"}:  # an empty object has no first byte
                    return b""
                raise

    def stat(self, name: str) -> Stored | None:
        """Return what there is of a name; None where there is nothing."""
        with self._telling():
            try:
                found = self._fs.call_s3("head_object", Bucket=self._bucket, Key=self._key(name))
            except FileNotFoundError:
                return None
            except OSError as error:
                if _code(error).isdigit():  # an answer to HEAD says no more: that to GET has S3's own word
                    with suppress(FileNotFoundError):
                        self._fs.cat_file(self._path(name), start=0, end=1)
                raise
        return Stored(name=name, size=found["ContentLength"], modified=found["LastModified"].timestamp())

    def url(self, name: str) -> str:
        """Return a signed URL."""
        with self._telling():
            return str(self._fs.sign(self._path(name), expiration=_SIGNED_SECONDS))

    def copy(self, name: str, offset: int) -> Iterator[bytes] | None:
        """Do nothing: the URL is enough."""
        raise NotImplementedError

    def write(self, name: str, content: bytes, *, replace: bool) -> bool:
        """Write a small object; tell whether it was, which without `replace` an older one stops."""
        with self._telling():
            if replace:
                self._fs.pipe_file(self._path(name), content)
                return True
            try:
                self._create(name, content)
            except FileExistsError:
                return False
            except OSError as error:
                if _code(error) == "PreconditionFailed":
                    return False
                if _code(error) not in _NO_CONDITIONS:
                    raise
            else:
                return True
        if self.stat(name):  # a server without conditional writes: the next best
            return False
        return self.write(name, content, replace=True)

    def _create(self, name: str, content: bytes) -> None:
        """Write an object where there is none; while another writes it, S3 wants to be asked again."""
        for number in range(1, _CONFLICT_TRIES + 1):
            try:
                self._fs.pipe_file(self._path(name), content, mode="create")
            except OSError as error:
                if _code(error) not in _CONFLICTS or number == _CONFLICT_TRIES:
                    raise
                time.sleep(_CONFLICT_PAUSE * number)
            else:
                return

    def upload(self, name: str, source: Path) -> None:
        """Write a file, in parts where it is large; parts of an upload that fails are given up on the server."""
        with self._telling():
            self._fs.put_file(str(source), self._path(name), chunksize=_PART, max_concurrency=_AT_ONCE)

    def refresh(self, name: str) -> None:
        """Have an object count as new: copied over itself on the server."""
        source = {"Bucket": self._bucket, "Key": self._key(name)}
        with self._telling():
            self._fs.call_s3("copy_object", **source, CopySource=source, MetadataDirective="REPLACE")

    def listing(self, folder: str) -> Iterator[Stored]:
        """Yield every object below a folder, page by page."""
        token: dict[str, str] = {}
        while True:
            with self._telling():
                page = self._fs.call_s3(
                    "list_objects_v2", Bucket=self._bucket, Prefix=self._key(folder) + "/", **token
                )
            for row in page.get("Contents", ()):
                name = row["Key"].removeprefix(f"{self._prefix}/" if self._prefix else "")
                yield Stored(name=name, size=row["Size"], modified=_since_1970(row["LastModified"]))
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def remove(self, names: Sequence[str]) -> None:
        """Remove objects, those that are gone already included."""
        for start in range(0, len(names), _BULK):
            rows = [{"Key": self._key(name)} for name in names[start : start + _BULK]]
            with self._telling():
                done = self._fs.call_s3(
                    "delete_objects", Bucket=self._bucket, Delete={"Objects": rows, "Quiet": True}
                )
            if failed := done.get("Errors"):
                raise RemoteRefusedError(f"{len(failed)} objects cannot be removed: {failed[0].get('Code')}")

    def drop_unfinished(self, before: float) -> None:
        """Give up uploads in parts that nobody ended, listed page by page."""
        place = {"Bucket": self._bucket, "Prefix": self._key("blobs") + "/"}
        after: dict[str, str] = {}
        while True:
            with self._telling():
                page = self._fs.call_s3("list_multipart_uploads", **place, **after)
                for row in page.get("Uploads", ()):
                    if _since_1970(row["Initiated"]) < before:
                        self._give_up(row["Key"], row["UploadId"])
            if not page.get("IsTruncated"):
                return
            after = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    def _give_up(self, key: str, upload: str) -> None:
        """Give up an upload; its writer or another pruner may have ended it meanwhile."""
        try:
            self._fs.call_s3("abort_multipart_upload", Bucket=self._bucket, Key=key, UploadId=upload)
        except OSError as error:
            if _code(error) != "NoSuchUpload":
                raise

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise MissingPlaceError("there is no such bucket") from error
        except RemoteError:
            raise
        except Exception as error:  # of three libraries, none of which has a common base
            raise self._fault(error) from error

    def _fault(self, error: Exception) -> RemoteError:
        code = _code(error)
        if code in _EXPIRED | _CLOCK_WRONG:
            return ClockWrongError(code) if code in _CLOCK_WRONG else LoginExpiredError(code)
        if code in _FULL or getattr(error, "errno", None) in FULL:
            return NoSpaceError(code or "no space left")
        if isinstance(error, PermissionError) and code not in _ELSEWHERE:
            return RemoteRefusedError(code or "access denied")
        if (name := type(error).__name__) in _NO_LOGIN:
            return RemoteRefusedError(
                str(error).rstrip(".") if name == "ConfigParseError" else "no login for S3 was found"
            )
        if code in _ELSEWHERE:
            code = f"{code}: the bucket is in another region, which `region=` in its URL names"
        return UnavailableError(code or self._address.scrubbed(f"{type(error).__name__}: {error}"))


def _code(error: BaseException) -> str:
    """Return S3's own word for what went wrong, empty where it said none."""
    answer = getattr(error, "response", None) or getattr(error.__cause__, "response", None)
    return str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, dict) else ""


def _since_1970(time: datetime) -> float:
    return time.timestamp()


def _file_system(address: Address, config: PipConfig) -> Any:  # noqa: ANN401 - s3fs has no types
    import s3fs  # noqa: PLC0415 - half a second; whoever has no such cache does not pay for it

    endpoint = address.options.get("endpoint", "")
    region = address.options.get("region", "")
    client = {"region_name": region} if region else {}
    found = s3fs.S3FileSystem(
        key=address.user or None,
        secret=address.password or None,
        anon=address.options.get("anon", "") in {"1", "true"},
        profile=address.options.get("profile") or None,
        endpoint_url=endpoint or None,
        client_kwargs={**client, **({"verify": str(config.cert)} if config.cert else {})},
        config_kwargs={
            "connect_timeout": _CONNECT_SECONDS,
            "read_timeout": _READ_SECONDS,
            "retries": {"total_max_attempts": _TRIES, "mode": "standard"},
            "signature_version": "s3v4",
            **({"s3": {"addressing_style": "path"}} if endpoint else {}),
        },
        skip_instance_cache=True,
        use_listings_cache=False,
    )
    found.retries = 1  # those of botocore are enough; each of both would multiply the other
    return found

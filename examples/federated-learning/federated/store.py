"""Versions of a model in an S3-compatible store.

    <name>/v00007/model.keras      as Keras saves it
    <name>/v00007/manifest.json    what it is: round, metrics, checksums, who took part
    <name>/best.json               {"version": 7, "accuracy": 0.97}

The manifest is written after the model, so a version that has one is whole. Whoever loads a model
compares its bytes with the manifest; a version that fails is passed over and made again.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

log = logging.getLogger(__name__)

MODEL_FILE = "model.keras"
MANIFEST_FILE = "manifest.json"
# No object of this example is nearly as large: who reads more reads something else.
OBJECT_LIMIT = 64 * 1024 * 1024
# JSON. A manifest grows with the sites, some hundred bytes each.
MARK_LIMIT = 64 * 1024
MANIFEST_LIMIT = 1024 * 1024
_CHUNK = 16 * 1024
# What a document of another's may raise before it is known to be sound.
_UNSOUND = (ValueError, TypeError, KeyError, OverflowError, RecursionError)


class StoreError(Exception):
    """The store did not do it; `retry` says whether it may later."""

    def __init__(self, message: str, retry: bool) -> None:
        super().__init__(message)
        self.retry = retry


class CorruptModel(Exception):
    """What the store holds is not what the manifest says."""


class ObjectStore(Protocol):
    """The four things that are wanted of S3. Each may raise StoreError."""

    def put(self, key: str, body: bytes) -> None: ...
    def get(self, key: str, limit: int = OBJECT_LIMIT) -> bytes | None: ...
    def keys(self, prefix: str) -> list[str]: ...
    def prepare(self, readers: list[str]) -> None: ...


class S3Store:
    """Any S3-compatible store. Endpoint and credentials come from the environment:

    STORE_ENDPOINT, STORE_BUCKET, STORE_CA (a file; empty: the system's), AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY.
    """

    def __init__(
        self, endpoint: str, bucket: str, ca: str | None = None, seconds: float = 120.0
    ) -> None:
        """`seconds`: that long reading one object may take."""
        import boto3
        from botocore.config import Config

        self._bucket = bucket
        self._endpoint = endpoint
        self._seconds = seconds
        # A session of its own: the default one keeps the credentials that it saw first.
        self._client = boto3.session.Session().client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            verify=ca or True,
            # Retries are the caller's: a round must not wait long for a store that is away.
            config=Config(
                connect_timeout=3,
                read_timeout=20,
                retries={"total_max_attempts": 2, "mode": "standard"},
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    @classmethod
    def from_environment(cls) -> "S3Store":
        missing = [
            name
            for name in (
                "STORE_ENDPOINT",
                "STORE_BUCKET",
                "AWS_ACCESS_KEY_ID",
                "AWS_SECRET_ACCESS_KEY",
            )
            if not os.environ.get(name)
        ]
        if missing:
            raise StoreError(f"the environment lacks {', '.join(missing)}", retry=False)
        return cls(
            os.environ["STORE_ENDPOINT"],
            os.environ["STORE_BUCKET"],
            os.environ.get("STORE_CA") or None,
        )

    def _call(self, what: str, action: Callable[[], Any]) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return action()
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            code = error.response.get("Error", {}).get("Code", "")
            if status == 404 and code in ("NoSuchKey", "404"):
                return None
            raise StoreError(
                f"{what} in bucket {self._bucket} of {self._endpoint}: {error}", retry=status >= 500
            ) from error
        except BotoCoreError as error:
            raise StoreError(f"{what} at {self._endpoint}: {error}", retry=True) from error

    def prepare(self, readers: list[str]) -> None:
        """Makes the bucket, where `readers` (access keys) may read and nobody but its owner write."""
        from botocore.exceptions import ClientError

        def create() -> None:
            try:
                self._client.create_bucket(Bucket=self._bucket)
            except ClientError as error:
                if error.response["Error"]["Code"] not in (
                    "BucketAlreadyOwnedByYou",
                    "BucketAlreadyExists",
                ):
                    raise

        self._call("create", create)
        if readers:
            resource = f"arn:aws:s3:::{self._bucket}"
            policy = {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"AWS": readers},
                        "Action": ["s3:GetObject", "s3:ListBucket"],
                        "Resource": [resource, f"{resource}/*"],
                    }
                ],
            }
            self._call(
                "set the policy",
                lambda: self._client.put_bucket_policy(
                    Bucket=self._bucket, Policy=json.dumps(policy)
                ),
            )

    def put(self, key: str, body: bytes) -> None:
        self._call(
            f"write {key}",
            lambda: self._client.put_object(Bucket=self._bucket, Key=key, Body=body),
        )

    def get(self, key: str, limit: int = OBJECT_LIMIT) -> bytes | None:
        """None: there is no such object. Raises CorruptModel for one of more than `limit` bytes."""

        def read() -> bytes:
            # Inside `_call`: a connection that breaks half-way is an error like another.
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
            end = time.monotonic() + self._seconds
            content = bytearray()
            try:
                while chunk := body.read(_CHUNK):
                    content += chunk
                    if len(content) > limit:
                        raise CorruptModel(f"{key} has more than {limit} bytes")
                    # The read timeout is between two packets: a slow store would never be given up.
                    if time.monotonic() > end:
                        raise StoreError(f"read {key}: not whole in {self._seconds:.0f} s", True)
            finally:
                body.close()
            return bytes(content)

        return self._call(f"read {key}", read)

    def keys(self, prefix: str) -> list[str]:
        def all_pages() -> list[str]:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix
            )
            return [item["Key"] for page in pages for item in page.get("Contents", [])]

        return self._call(f"list {prefix}", all_pages) or []


@dataclass(frozen=True)
class Manifest:
    name: str
    version: int  # the round after which this was the global model; 0: before the first
    fingerprint: str  # of the settings: versions of a name all have the same
    config: dict[str, Any]
    accuracy: float  # on the server's validation images; decides which version is best
    sha256: str  # of model.keras
    size: int
    weights_sha256: str  # of the numbers: equal for equal trainings
    created: str
    sites: dict[str, dict[str, float]] = field(default_factory=dict)
    expected: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)  # site: why
    rejected: dict[str, str] = field(default_factory=dict)
    aggregated: bool = True  # False: too few usable replies, the model is the one before

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "Manifest":
        try:
            return cls(**json.loads(content))
        except _UNSOUND as error:
            raise CorruptModel(f"manifest: {error}") from error


def verify(manifest: Manifest, content: bytes | None) -> bytes:
    found = "nothing" if content is None else hashlib.sha256(content).hexdigest()
    if content is None or found != manifest.sha256:
        raise CorruptModel(
            f"{manifest.name} version {manifest.version}: the manifest says sha256 "
            f"{manifest.sha256}, the store has {found}"
        )
    return content


class ModelRepository:
    """The versions of one model."""

    def __init__(self, store: ObjectStore, name: str) -> None:
        self._store = store
        self.name = name

    def _key(self, version: int, file: str) -> str:
        return f"{self.name}/v{version:05d}/{file}"

    def write(self, manifest: Manifest, content: bytes) -> None:
        verify(manifest, content)
        self._store.put(self._key(manifest.version, MODEL_FILE), content)
        self._store.put(self._key(manifest.version, MANIFEST_FILE), manifest.to_json())
        best = self.best()
        # At an equal accuracy the earlier one stays: whoever serves it need not roll.
        if best is None or manifest.accuracy > best.accuracy:
            mark = {"version": manifest.version, "accuracy": manifest.accuracy}
            self._store.put(f"{self.name}/best.json", json.dumps(mark).encode())

    def versions(self) -> list[int]:
        """Those that are whole."""
        prefix = f"{self.name}/v"
        return sorted(
            int(key[len(prefix) :].split("/")[0])
            for key in self._store.keys(prefix)
            if key.endswith(f"/{MANIFEST_FILE}")
        )

    def manifest(self, version: int) -> Manifest:
        content = self._store.get(self._key(version, MANIFEST_FILE), MANIFEST_LIMIT)
        if content is None:
            raise CorruptModel(f"{self.name} has no version {version}")
        return Manifest.from_json(content)

    def mark(self) -> bytes | None:
        """What marks the best version, as it is in the store: equal while nothing new was marked."""
        return self._store.get(f"{self.name}/best.json", MARK_LIMIT)

    def best(self) -> Manifest | None:
        content = self.mark()
        return None if content is None else self.manifest(self.marked(content))

    def marked(self, content: bytes) -> int:
        """The version that a mark names."""
        try:
            return int(json.loads(content)["version"])
        except _UNSOUND as error:
            raise CorruptModel(f"{self.name}/best.json: {error}") from error

    def load(self, manifest: Manifest, limit: int = OBJECT_LIMIT) -> bytes:
        return verify(manifest, self._store.get(self._key(manifest.version, MODEL_FILE), limit))


class Publisher:
    """Writes versions to the store by way of a folder, so that a round outlives a store that is away.

    What could not be written stays in the folder and is tried again with the next version.
    """

    def __init__(
        self,
        repository: ModelRepository,
        spool: Path,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._repository = repository
        self._spool = spool / repository.name
        self._spool.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._sleep = sleep

    def _pending(self) -> list[Path]:
        return sorted(self._spool.glob("v*.json"))

    def publish(self, manifest: Manifest, content: bytes) -> bool:
        """Keeps the version; True if the store has it (and all before it) now."""
        path = self._spool / f"v{manifest.version:05d}.keras"
        path.write_bytes(content)
        # By its name, as in the store: with a manifest it is whole.
        partial = path.with_suffix(".partial")
        partial.write_bytes(manifest.to_json())
        partial.rename(path.with_suffix(".json"))
        return self.upload()

    def upload(self) -> bool:
        """Tries what waits, oldest first. Raises StoreError only for what no retry can mend."""
        for path in self._pending():
            manifest = Manifest.from_json(path.read_bytes())
            try:
                self._repository.write(manifest, path.with_suffix(".keras").read_bytes())
            except StoreError as error:
                if not error.retry:
                    raise
                log.warning("version %d waits for the store: %s", manifest.version, error)
                return False
            path.unlink()
            path.with_suffix(".keras").unlink()
        return True

    def flush(self, seconds: float) -> None:
        """Waits until the store has everything."""
        self._until(seconds, self.upload)

    def latest(self, seconds: float) -> tuple[Manifest, bytes] | None:
        """Where to go on: the newest version that is sound, in the store or still in the folder.

        Waits that long for a store that is away: to begin anew for that would lose the training.
        """
        self._until(seconds, self.upload)
        for version in reversed(self._repository.versions()):
            try:
                manifest = self._repository.manifest(version)
                return manifest, self._repository.load(manifest)
            except CorruptModel as error:
                log.warning("passed over: %s", error)
        return None

    def _until(self, seconds: float, action: Callable[[], bool]) -> None:
        end = self._clock() + seconds
        pause = 1.0
        while not action():
            if self._clock() >= end:
                raise StoreError(
                    f"the store was away for {seconds:.0f} s; {len(self._pending())} versions wait "
                    f"in {self._spool}",
                    retry=True,
                )
            self._sleep(min(pause, max(0.0, end - self._clock())))
            pause = min(pause * 2, 15.0)

import hashlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from federated import identity
from federated.store import (
    OBJECT_LIMIT,
    CorruptModel,
    Manifest,
    ModelRepository,
    ObjectStore,
    Publisher,
    S3Store,
    StoreError,
)


class FakeStore:
    """Objects in memory; away while `away`."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.away = False
        self.forbidden = False

    def _check(self) -> None:
        if self.away:
            raise StoreError("away", retry=True)

    def prepare(self, readers: list[str]) -> None:
        self._check()

    def put(self, key: str, body: bytes) -> None:
        self._check()
        if self.forbidden:
            raise StoreError("forbidden", retry=False)
        self.objects[key] = body

    def get(self, key: str, limit: int = OBJECT_LIMIT) -> bytes | None:
        self._check()
        content = self.objects.get(key)
        if content is not None and len(content) > limit:
            raise CorruptModel(f"{key} has more than {limit} bytes")
        return content

    def keys(self, prefix: str) -> list[str]:
        self._check()
        return sorted(key for key in self.objects if key.startswith(prefix))


def version(number: int, accuracy: float = 0.5) -> tuple[Manifest, bytes]:
    content = f"weights of {number}".encode()
    manifest = Manifest(
        name="digits",
        version=number,
        fingerprint="f",
        config={},
        accuracy=accuracy,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        weights_sha256="w",
        created="2026-01-01T00:00:00+00:00",
    )
    return manifest, content


class Gateway:
    """A real versitygw with TLS, in a folder of the test."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.endpoint = f"https://127.0.0.1:{self._port}"
        self.keys = folder / "keys"
        identity.ensure(self.keys, ["127.0.0.1"], ["one"])
        for name in ("objects", "metadata"):
            (folder / name).mkdir()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        owner = identity.read_environment(self.keys / "store.env")
        with open(self._folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [self._program, "posix", str(self._folder / "objects")],
                env={
                    "ROOT_ACCESS_KEY_ID": owner["AWS_ACCESS_KEY_ID"],
                    "ROOT_SECRET_ACCESS_KEY": owner["AWS_SECRET_ACCESS_KEY"],
                    "VGW_PORT": f"127.0.0.1:{self._port}",
                    "VGW_CERT": str(self.keys / "server.crt"),
                    "VGW_KEY": str(self.keys / "server.key"),
                    "VGW_IAM_DIR": str(self.keys / "iam"),
                    "VGW_META_SIDECAR": str(self._folder / "metadata"),
                },
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < end, (self._folder / "log").read_text()
                time.sleep(0.1)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def store(self, monkeypatch: pytest.MonkeyPatch, keys: str) -> S3Store:
        for name, value in identity.read_environment(self.keys / f"{keys}.env").items():
            monkeypatch.setenv(name, value)
        return S3Store(self.endpoint, "models", str(self.keys / "ca.crt"))


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    program = os.environ.get("VERSITYGW") or shutil.which("versitygw")
    if not program:
        pytest.skip("versitygw is not here: test.sh builds it")
    running = Gateway(program, tmp_path)
    running.start()
    yield running
    running.stop()


@pytest.fixture(params=["fake", "versitygw"])
def store(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> ObjectStore:
    if request.param == "fake":
        return FakeStore()
    running: Gateway = request.getfixturevalue("gateway")
    real = running.store(monkeypatch, "store")
    real.prepare([identity.READER])
    return real


def test_objects_come_back_as_they_were(store: ObjectStore) -> None:
    body = bytes(range(256)) * 1000
    store.put("a/b c", body)
    assert store.get("a/b c") == body
    assert store.get("a/missing") is None
    store.put("a/b c", b"new")
    assert store.get("a/b c") == b"new"


def test_reads_no_more_than_it_may(store: ObjectStore) -> None:
    store.put("a", bytes(1000))
    assert store.get("a", 1000) == bytes(1000)
    with pytest.raises(CorruptModel, match="more than 999 bytes"):
        store.get("a", 999)


def test_a_transfer_that_breaks_off_may_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_half() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf")

        thread = threading.Thread(target=answer_half)
        thread.start()
        store = S3Store(f"http://127.0.0.1:{listener.getsockname()[1]}", "models")
        with pytest.raises(StoreError) as broken:
            store.get("a")
        thread.join()
    assert broken.value.retry


def test_lists_by_prefix(store: ObjectStore) -> None:
    for key in ("m/v00001/x", "m/v00002/x", "n/v00001/x"):
        store.put(key, b"1")
    assert sorted(store.keys("m/v")) == ["m/v00001/x", "m/v00002/x"]
    assert store.keys("nothing") == []


def test_prepares_twice(store: ObjectStore) -> None:
    store.prepare([identity.READER])


def test_keeps_versions_and_marks_the_best(store: ObjectStore) -> None:
    repository = ModelRepository(store, "digits")
    assert repository.best() is None
    for number, accuracy in enumerate([0.1, 0.9, 0.9, 0.8]):
        repository.write(*version(number, accuracy))
    assert repository.versions() == [0, 1, 2, 3]
    best = repository.best()
    assert best is not None
    assert best.version == 1
    assert repository.load(best) == b"weights of 1"
    assert repository.manifest(3) == version(3, 0.8)[0]


def test_a_model_without_a_manifest_is_no_version(store: ObjectStore) -> None:
    repository = ModelRepository(store, "digits")
    repository.write(*version(1))
    store.put("digits/v00002/model.keras", b"half")
    assert repository.versions() == [1]


def test_a_changed_model_is_refused(store: ObjectStore) -> None:
    repository = ModelRepository(store, "digits")
    manifest, content = version(1)
    repository.write(manifest, content)
    store.put("digits/v00001/model.keras", b"other")
    with pytest.raises(CorruptModel, match="version 1"):
        repository.load(manifest)


def test_does_not_write_what_its_manifest_does_not_describe() -> None:
    fake = FakeStore()
    with pytest.raises(CorruptModel):
        ModelRepository(fake, "digits").write(version(1)[0], b"other")
    assert fake.objects == {}


def test_damaged_marks_and_manifests_are_named() -> None:
    fake = FakeStore()
    repository = ModelRepository(fake, "digits")
    repository.write(*version(1))
    for mark in (b"{}", b"[]", b'{"version": 1e999}', b"[" * 60000):
        fake.objects["digits/best.json"] = mark
        with pytest.raises(CorruptModel, match=r"best\.json"):
            repository.best()
    fake.objects["digits/v00001/manifest.json"] = b'{"name": "digits"}'
    with pytest.raises(CorruptModel, match="manifest"):
        repository.manifest(1)


def test_a_reader_reads_and_may_not_write(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = gateway.store(monkeypatch, "store")
    owner.prepare([identity.READER])
    owner.put("a", b"1")
    reader = gateway.store(monkeypatch, "reader")
    assert reader.get("a") == b"1"
    assert reader.keys("") == ["a"]
    with pytest.raises(StoreError) as refused:
        reader.put("a", b"2")
    assert not refused.value.retry
    assert owner.get("a") == b"1"


def test_a_store_of_another_authority_is_not_talked_to(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.store(monkeypatch, "store")
    other = tmp_path / "other"
    identity.ensure(other, ["127.0.0.1"], ["one"])
    with pytest.raises(StoreError, match="certificate"):
        S3Store(gateway.endpoint, "models", str(other / "ca.crt")).get("a")


def test_a_round_outlives_a_real_store_that_is_away(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = gateway.store(monkeypatch, "store")
    store.prepare([])
    repository = ModelRepository(store, "digits")
    publisher = Publisher(repository, tmp_path / "spool")
    assert publisher.publish(*version(1))
    gateway.stop()
    assert not publisher.publish(*version(2))
    gateway.start()
    assert publisher.publish(*version(3))
    assert repository.versions() == [1, 2, 3]


def publisher_on(fake: FakeStore, folder: Path) -> tuple[Publisher, ModelRepository, list[float]]:
    """Its clock moves only by its own sleep."""
    repository = ModelRepository(fake, "digits")
    slept: list[float] = []
    return (
        Publisher(repository, folder, clock=lambda: sum(slept), sleep=slept.append),
        repository,
        slept,
    )


def test_what_waits_is_written_before_what_is_new(tmp_path: Path) -> None:
    fake = FakeStore()
    publisher, repository, _ = publisher_on(fake, tmp_path)
    fake.away = True
    assert not publisher.publish(*version(1))
    assert not publisher.publish(*version(2))
    fake.away = False
    assert publisher.publish(*version(3))
    assert repository.versions() == [1, 2, 3]
    assert list(tmp_path.rglob("v*")) == []


def test_another_process_takes_over_what_waits(tmp_path: Path) -> None:
    fake = FakeStore()
    publisher_on(fake, tmp_path)[0].publish(*version(1))
    fake.away = True
    publisher_on(fake, tmp_path)[0].publish(*version(2))
    fake.away = False
    latest = publisher_on(fake, tmp_path)[0].latest(10)
    assert latest is not None
    assert latest[0].version == 2
    assert latest[1] == b"weights of 2"


def test_a_crash_while_keeping_leaves_no_half_version(tmp_path: Path) -> None:
    fake = FakeStore()
    publisher, repository, _ = publisher_on(fake, tmp_path)
    (tmp_path / "digits" / "v00005.keras").write_bytes(b"half")
    assert publisher.latest(10) is None
    assert publisher.publish(*version(5))
    assert repository.versions() == [5]


def test_starts_only_from_a_sound_version(tmp_path: Path) -> None:
    fake = FakeStore()
    publisher, _, _ = publisher_on(fake, tmp_path)
    for number in (1, 2, 3):
        publisher.publish(*version(number))
    fake.objects["digits/v00003/model.keras"] = b"damaged"
    fake.objects["digits/v00002/manifest.json"] = b"damaged"
    latest = publisher.latest(10)
    assert latest is not None
    assert latest[0].version == 1


def test_waits_for_the_store_and_says_so_when_it_does_not_come(tmp_path: Path) -> None:
    fake = FakeStore()
    publisher, _, slept = publisher_on(fake, tmp_path)
    fake.away = True
    publisher.publish(*version(1))
    with pytest.raises(StoreError, match="1 versions wait"):
        publisher.flush(60)
    assert sum(slept) == pytest.approx(60)


def test_what_no_retry_can_mend_is_told_at_once(tmp_path: Path) -> None:
    fake = FakeStore()
    publisher, _, slept = publisher_on(fake, tmp_path)
    fake.forbidden = True
    with pytest.raises(StoreError, match="forbidden"):
        publisher.publish(*version(1))
    assert slept == []


def test_an_incomplete_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_ENDPOINT", "https://127.0.0.1:1")
    for name in ("STORE_BUCKET", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(StoreError, match="STORE_BUCKET"):
        S3Store.from_environment()


def test_a_manifest_is_readable_by_others() -> None:
    manifest = replace(version(4)[0], sites={"edge-a-01": {"before": 0.5}}, missing={"b": "no reply"})
    assert json.loads(manifest.to_json())["missing"] == {"b": "no reply"}
    assert Manifest.from_json(manifest.to_json()) == manifest

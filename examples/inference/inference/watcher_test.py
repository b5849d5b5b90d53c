import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from federated.store import MARK_LIMIT, CorruptModel, Manifest, ModelRepository, StoreError
from federated.store_test import FakeStore, version

from inference.fakes import FakeServable, mark, publish
from inference.metrics import Metrics
from inference.registry import Registry
from inference.servable import SelfCheckFailed, Servable
from inference.watcher import Watcher, WatchLimits

LIMITS = WatchLimits(interval=5.0, longest_pause=60.0, model_bytes=1000)


class RecordingStore(FakeStore):
    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []
        self.denied = False

    def get(self, key: str, *limit: int) -> bytes | None:
        self.read.append(key)
        if self.denied:
            raise StoreError("denied", retry=False)
        return super().get(key, *limit)


class Bench:
    """A watcher on a store in memory; looks when it is told to."""

    def __init__(self, load: Callable[[Manifest, bytes], Servable] | None = None) -> None:
        self.store = RecordingStore()
        self.metrics = Metrics()
        self.registry = Registry(self.metrics)
        self.opened = 0
        self.watcher = Watcher(
            self._open, load or self._load, self.registry, self.metrics, LIMITS
        )
        self.loaded: list[int] = []

    def _open(self) -> ModelRepository:
        self.opened += 1
        return ModelRepository(self.store, "digits")

    def _load(self, manifest: Manifest, content: bytes) -> Servable:
        assert content == f"weights of {manifest.version}".encode()
        self.loaded.append(manifest.version)
        return FakeServable(manifest)

    def look(self) -> float:
        return self.watcher.look()

    def serving(self) -> int | None:
        current = self.registry.current()
        return None if current is None else current.manifest.version

    def refused(self) -> tuple[int | None, str] | None:
        refusal = self.registry.refusal()
        return None if refusal is None else (refusal.version, refusal.reason)

    def counted(self, name: str, **labels: str) -> Any:
        return self.metrics.collectors.get_sample_value(name, labels)


def test_waits_for_a_first_version() -> None:
    bench = Bench()
    assert bench.look() == LIMITS.interval
    assert (bench.serving(), bench.refused()) == (None, None)
    assert bench.counted("inference_model_version") == -1


def test_each_new_mark_is_served_once() -> None:
    bench = Bench()
    for number in (1, 2):
        publish(bench.store, *version(number))
        bench.look()
        bench.look()
        assert bench.serving() == number
    assert bench.loaded == [1, 2]
    assert bench.counted("inference_model_swaps_total") == 2
    assert bench.counted("inference_model_version") == 2


def test_a_version_that_is_not_marked_is_not_served() -> None:
    bench = Bench()
    publish(bench.store, *version(1))
    publish(bench.store, *version(2))
    mark(bench.store, 1)
    bench.look()
    assert bench.serving() == 1


@pytest.mark.parametrize("content", [b"weights of x", b"weights", b""])
def test_other_bytes_are_refused_once_and_the_present_one_stays(content: bytes) -> None:
    bench = Bench()
    publish(bench.store, *version(1))
    bench.look()
    publish(bench.store, version(2)[0], content)
    bench.look()
    bench.store.read.clear()
    bench.look()
    assert bench.store.read == ["digits/best.json"]
    assert (bench.serving(), bench.refused()) == (1, (2, "checksum"))
    assert bench.counted("inference_model_refusals_total", reason="checksum") == 1
    publish(bench.store, *version(3))
    bench.look()
    assert (bench.serving(), bench.refused()) == (3, None)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (CorruptModel("no Keras file"), "load"),
        (SelfCheckFailed("NaN"), "self-check"),
        (MemoryError("of TensorFlow"), "load"),
    ],
)
def test_what_does_not_load_or_pass_is_refused(error: Exception, reason: str) -> None:
    def load(manifest: Manifest, _: bytes) -> Servable:
        if manifest.version == 2:
            raise error
        return FakeServable(manifest)

    bench = Bench(load)
    publish(bench.store, *version(1))
    bench.look()
    publish(bench.store, *version(2))
    assert bench.look() == LIMITS.interval
    assert (bench.serving(), bench.refused()) == (1, (2, reason))


def test_what_is_too_large_is_not_downloaded() -> None:
    bench = Bench()
    manifest, content = version(1)
    publish(bench.store, replace(manifest, size=1001), content)
    bench.look()
    assert "digits/v00001/model.keras" not in bench.store.read
    assert bench.refused() == (1, "size")


def test_what_is_larger_than_it_says_is_refused() -> None:
    bench = Bench()
    publish(bench.store, version(1)[0], bytes(1001))
    bench.look()
    assert bench.refused() == (1, "checksum")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"version": 2},
        {"size": "9"},
        {"accuracy": float("nan")},
        {"accuracy": "0.9"},
        {"sha256": "0" * 65},
        {"config": []},
    ],
)
def test_a_manifest_of_something_else_is_refused(change: dict[str, Any]) -> None:
    bench = Bench()
    manifest, content = version(1)
    publish(bench.store, manifest, content)
    bench.store.put("digits/v00001/manifest.json", replace(manifest, **change).to_json())
    bench.look()
    assert (bench.serving(), bench.refused()) == (None, (1, "manifest"))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"[" * 60000, bytes(MARK_LIMIT + 1)])
def test_an_unreadable_mark_is_refused_once(content: bytes) -> None:
    bench = Bench()
    bench.store.put("digits/best.json", content)
    for _ in range(2):
        bench.look()
    assert bench.refused() == (None, "mark")
    assert bench.counted("inference_model_refusals_total", reason="mark") == 1


def test_a_server_that_starts_on_a_bad_mark_serves_the_best_other() -> None:
    bench = Bench()
    publish(bench.store, *version(1, 0.7))
    publish(bench.store, *version(2, 0.8))
    publish(bench.store, version(3, 0.85)[0], b"damaged")
    publish(bench.store, version(4, 0.9)[0], b"damaged")
    bench.look()
    assert (bench.serving(), bench.refused()) == (2, (4, "checksum"))
    bench.look()
    assert bench.loaded == [2]


def test_marking_what_serves_again_ends_the_refusal() -> None:
    bench = Bench()
    publish(bench.store, *version(1))
    bench.look()
    publish(bench.store, version(2)[0], b"damaged")
    bench.look()
    mark(bench.store, 1)
    bench.look()
    assert (bench.serving(), bench.refused()) == (1, None)
    assert bench.loaded == [1]


def test_a_store_that_is_away_is_asked_ever_less_often() -> None:
    bench = Bench()
    publish(bench.store, *version(1))
    bench.store.away = True
    pauses = [bench.look() for _ in range(20)]
    assert 5 <= pauses[0] <= 10
    assert all(30 <= pause <= 60 for pause in pauses[5:])
    assert bench.counted("inference_store_errors_total") == 20
    bench.store.away = False
    assert bench.look() == LIMITS.interval
    bench.store.away = True
    bench.look()
    assert bench.serving() == 1


def test_a_store_that_goes_away_during_a_download_is_no_refusal() -> None:
    bench = Bench()
    publish(bench.store, *version(1))
    read = bench.store.get

    def get(key: str, *limit: int) -> bytes | None:
        bench.store.away = key.endswith("model.keras")
        return read(key, *limit)

    bench.store.get = get  # type: ignore[method-assign]
    bench.look()
    assert (bench.serving(), bench.refused()) == (None, None)
    bench.store.get = read  # type: ignore[method-assign]
    bench.store.away = False
    bench.look()
    assert bench.serving() == 1


def test_credentials_that_are_refused_are_read_anew() -> None:
    bench = Bench()
    publish(bench.store, *version(1))
    bench.store.denied = True
    bench.look()
    bench.store.denied = False
    bench.look()
    assert bench.opened == 2
    assert bench.serving() == 1


def test_its_thread_outlives_what_nobody_expected() -> None:
    bench = Bench()
    stop = threading.Event()

    def get(key: str, *limit: int) -> bytes | None:
        stop.set()
        raise RuntimeError("a fault of ours")

    bench.store.get = get  # type: ignore[method-assign]
    bench.watcher.run(stop)
    assert bench.counted("inference_store_errors_total") == 1

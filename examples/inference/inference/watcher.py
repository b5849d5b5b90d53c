"""Brings each version that is marked best from the store to the registry, or says why not."""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from federated.store import CorruptModel, Manifest, ModelRepository, StoreError

from inference.metrics import Metrics
from inference.registry import Registry
from inference.servable import SelfCheckFailed, Servable

log = logging.getLogger(__name__)

Load = Callable[[Manifest, bytes], Servable]


class _Refused(Exception):
    def __init__(self, version: int | None, reason: str, error: Exception | str) -> None:
        super().__init__(str(error))
        self.version = version
        self.reason = reason


@dataclass(frozen=True)
class WatchLimits:
    interval: float = 5.0  # seconds between two looks at the mark
    longest_pause: float = 60.0  # while the store is away
    model_bytes: int = 16 * 1024 * 1024


class Watcher:
    """Runs on a thread of its own. A version is tried once: again only when the mark has changed.

    `open_repository` is called anew after each refusal by the store, so that new credentials in the
    mounted Secret are read.
    """

    def __init__(
        self,
        open_repository: Callable[[], ModelRepository],
        load: Load,
        registry: Registry,
        metrics: Metrics,
        limits: WatchLimits,
    ) -> None:
        self._open = open_repository
        self._load = load
        self._registry = registry
        self._metrics = metrics
        self._limits = limits
        self._repository: ModelRepository | None = None
        self._settled: bytes | None = None  # the mark that is served or refused
        self._failures = 0

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            stop.wait(self.look())

    def look(self) -> float:
        """One look at the store. Returns the seconds until the next."""
        try:
            self._follow()
        except StoreError as error:
            self._failures += 1
            self._metrics.store_errors.inc()
            if self._failures == 1 or not error.retry:
                log.warning("store: %s; what serves stays", error)
            if not error.retry:
                self._repository = None
            return self._pause()
        if self._failures:
            log.info("store: it answers again")
        self._failures = 0
        self._metrics.store_seen.set(time.time())
        return self._limits.interval

    def _pause(self) -> float:
        longest = min(self._limits.longest_pause, self._limits.interval * 2**min(self._failures, 16))
        return longest * random.uniform(0.5, 1.0)

    def _follow(self) -> None:
        if self._repository is None:
            self._repository = self._open()
        mark = self._read_mark(self._repository)
        if mark is None or mark == self._settled:
            return
        try:
            servable = self._candidate(self._repository, mark)
        except _Refused as refused:
            log.error("version %s is refused (%s): %s", refused.version, refused.reason, refused)
            self._registry.refuse(refused.version, refused.reason, str(refused))
        else:
            if servable is not None:
                self._registry.swap(servable)
                log.info("version %d serves", servable.manifest.version)
        # After the work: a store that went away in between is tried again.
        self._settled = mark

    def _read_mark(self, repository: ModelRepository) -> bytes | None:
        try:
            return repository.mark()
        except CorruptModel as error:  # larger than any mark
            mark = str(error).encode()
            if mark != self._settled:
                self._registry.refuse(None, "mark", str(error))
                self._settled = mark
            return mark

    def _candidate(self, repository: ModelRepository, mark: bytes) -> Servable | None:
        """The version that is marked, fit to serve. None: it serves already."""
        try:
            manifest = repository.marked(mark)
        except CorruptModel as error:
            raise _Refused(None, "mark", error) from error
        self._check(manifest, repository.name)
        current = self._registry.current()
        if current is not None and current.manifest == manifest:
            return None
        try:
            content = repository.load(manifest, self._limits.model_bytes)
        except CorruptModel as error:
            raise _Refused(manifest.version, "checksum", error) from error
        try:
            return self._load(manifest, content)
        except CorruptModel as error:
            raise _Refused(manifest.version, "load", error) from error
        except SelfCheckFailed as error:
            raise _Refused(manifest.version, "self-check", error) from error
        except Exception as error:  # of TensorFlow: whatever it is, what serves stays
            log.exception("version %d", manifest.version)
            raise _Refused(manifest.version, "load", error) from error

    def _check(self, manifest: Manifest, name: str) -> None:
        """JSON has no types: what is computed with here is checked here."""
        sound = (
            type(manifest.version) is int
            and type(manifest.size) is int
            and isinstance(manifest.accuracy, float | int)
            and isinstance(manifest.sha256, str)
            and isinstance(manifest.config, dict)
        )
        if not sound or manifest.name != name:
            raise _Refused(None, "manifest", f"the manifest is not one of a version of {name!r}")
        if not 0 < manifest.size <= self._limits.model_bytes:
            raise _Refused(
                manifest.version,
                "size",
                f"the manifest says {manifest.size} bytes; the limit is {self._limits.model_bytes}",
            )

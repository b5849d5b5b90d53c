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
_SHA256_DIGITS = 64
# So many of the newest versions are looked through when the marked one cannot serve.
_FALLBACKS = 10
_TOO_LARGE = b"a mark that is too large"


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
    """Runs on a thread of its own. A mark is tried once: its version again only by another mark.

    `open_repository` is called anew after each failure of the store, so that new credentials in the
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
            if self._failures == 0 or not error.retry:
                log.warning("store: %s; what serves stays", error)
            self._repository = None
            return self._after_failure()
        except Exception:  # nobody else would see that the thread has ended
            log.exception("a look at the store failed; what serves stays")
            return self._after_failure()
        if self._failures:
            log.info("store: it answers again")
        self._failures = 0
        self._metrics.store_seen.set(time.time())
        return self._limits.interval

    def _after_failure(self) -> float:
        self._failures += 1
        self._metrics.store_errors.inc()
        pause = self._limits.interval * 2 ** min(self._failures, 16)
        return min(self._limits.longest_pause, pause) * random.uniform(0.5, 1.0)

    def _follow(self) -> None:
        if self._repository is None:
            self._repository = self._open()
        repository = self._repository
        try:
            mark = repository.mark()
        except CorruptModel as error:  # larger than any mark
            if self._settled != _TOO_LARGE:
                self._keep_or_fall_back(repository, _Refused(None, "mark", error))
            self._settled = _TOO_LARGE
            return
        if mark is None or mark == self._settled:
            return
        try:
            self._serve_marked(repository, mark)
        except _Refused as refused:
            self._keep_or_fall_back(repository, refused)
        # Last: with a store that went away in between, all of it is tried again.
        self._settled = mark

    def _refuse(self, refused: _Refused) -> None:
        log.error("version %s is refused (%s): %s", refused.version, refused.reason, refused)
        self._registry.refuse(refused.version, refused.reason, str(refused))

    def _serve_marked(self, repository: ModelRepository, mark: bytes) -> None:
        try:
            version = repository.marked(mark)
        except CorruptModel as error:
            raise _Refused(None, "mark", error) from error
        manifest = self._manifest(repository, version)
        current = self._registry.current()
        if current is not None and current.manifest == manifest:
            self._registry.keep()
            return
        self._swap(self._candidate(repository, manifest))

    def _keep_or_fall_back(self, repository: ModelRepository, refused: _Refused) -> None:
        """A server that starts while a bad version is marked has nothing to keep: the best of the
        newest others takes its place."""
        if self._registry.current() is None:
            for manifest in self._others(repository, refused.version):
                try:
                    self._swap(self._candidate(repository, manifest))
                    break
                except _Refused as other:
                    log.warning("version %s is passed over: %s", other.version, other)
        self._refuse(refused)

    def _others(self, repository: ModelRepository, but: int | None) -> list[Manifest]:
        found = []
        for version in repository.versions()[-_FALLBACKS:]:
            if version == but:
                continue
            try:
                found.append(self._manifest(repository, version))
            except _Refused as refused:
                log.warning("version %d is passed over: %s", version, refused)
        return sorted(found, key=lambda manifest: manifest.accuracy, reverse=True)

    def _swap(self, servable: Servable) -> None:
        self._registry.swap(servable)
        log.info("version %d serves", servable.manifest.version)

    def _candidate(self, repository: ModelRepository, manifest: Manifest) -> Servable:
        """Downloaded, verified, loaded and warmed up, beside the one that serves."""
        version = manifest.version
        try:
            content = repository.load(manifest, self._limits.model_bytes)
        except CorruptModel as error:
            raise _Refused(version, "checksum", error) from error
        try:
            return self._load(manifest, content)
        except CorruptModel as error:
            raise _Refused(version, "load", error) from error
        except SelfCheckFailed as error:
            raise _Refused(version, "self-check", error) from error
        except Exception as error:  # of TensorFlow: whatever it is, what serves stays
            log.exception("version %d", version)
            raise _Refused(version, "load", f"{type(error).__name__}: {error}") from error

    def _manifest(self, repository: ModelRepository, version: int) -> Manifest:
        """JSON has no types: what is computed with later is checked here."""
        try:
            manifest = repository.manifest(version)
        except CorruptModel as error:
            raise _Refused(version, "manifest", error) from error
        sound = (
            manifest.name == repository.name
            and manifest.version == version
            and type(manifest.size) is int
            and isinstance(manifest.accuracy, float | int)
            and 0 <= manifest.accuracy <= 1
            and isinstance(manifest.sha256, str)
            and len(manifest.sha256) == _SHA256_DIGITS
            and isinstance(manifest.config, dict)
        )
        if not sound:
            raise _Refused(
                version, "manifest", f"its manifest is not one of {repository.name} {version}"
            )
        if not 0 < manifest.size <= self._limits.model_bytes:
            raise _Refused(
                version,
                "size",
                f"its manifest says {manifest.size} bytes; the limit is {self._limits.model_bytes}",
            )
        return manifest

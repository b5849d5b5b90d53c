"""Which model serves. Requests read one reference; everything else happens beside."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime

from inference.metrics import Metrics
from inference.servable import Servable

# Keras' messages may hold whole configurations.
_MESSAGE_LIMIT = 1000


@dataclass(frozen=True)
class Refusal:
    """A version that does not serve, until another is marked."""

    version: int | None  # None: the mark itself is unreadable
    reason: str  # one of metrics.REASONS
    message: str
    at: str


class Registry:
    """The model that serves, the one before it, and what was refused last.

    Any thread may call. A request keeps the Servable that it took: a swap never waits for it.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._lock = threading.Lock()  # guards the three below
        self._current: Servable | None = None
        self._previous: Servable | None = None
        self._refusal: Refusal | None = None

    def current(self) -> Servable | None:
        with self._lock:
            return self._current

    def refusal(self) -> Refusal | None:
        with self._lock:
            return self._refusal

    def swap(self, servable: Servable) -> None:
        """`servable` was checked and warmed up. What it replaces is kept, for `roll_back`."""
        with self._lock:
            self._previous, self._current = self._current, servable
            self._refusal = None
            self._metrics.swaps.inc()
            self._metrics.serves(servable.manifest)

    def keep(self) -> None:
        """The version that serves is the one that is wanted."""
        with self._lock:
            self._refusal = None

    def refuse(self, version: int | None, reason: str, message: str) -> None:
        with self._lock:
            self._refuse(version, reason, message)

    def roll_back(self, failed: Servable, message: str) -> Servable | None:
        """`failed` broke while it served: the one before takes over. Returns who serves now.

        Without one before it stays: an answer now and then is better than none. Many threads may
        see the same failure; the first acts.
        """
        with self._lock:
            if self._current is not failed or self._previous is None:
                return self._current
            self._current, self._previous = self._previous, None
            self._refuse(failed.manifest.version, "serving", message)
            self._metrics.rollbacks.inc()
            self._metrics.serves(self._current.manifest)
            return self._current

    def _refuse(self, version: int | None, reason: str, message: str) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        self._refusal = Refusal(version, reason, message[:_MESSAGE_LIMIT], at)
        self._metrics.refusals.labels(reason).inc()

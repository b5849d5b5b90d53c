"""Keeps the processes of a local federation: started in order, started again, ended together."""

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

_FIRST_PAUSE, _MAX_PAUSE = 1.0, 10.0
# After so many seconds a service counts as having stayed.
_STEADY = 60.0


@dataclass
class Service:
    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log_file: Path
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    started_at: float = 0.0
    again_at: float = 0.0
    stopped: bool = False  # on purpose
    pause: float = _FIRST_PAUSE


class Supervisor:
    """A SuperNode that comes back too early is refused and exits, so every service is started again
    until it stays, with growing pauses.

    Each service leads a process group of its own: Flower's children go with it.
    """

    def __init__(self) -> None:
        self._services: dict[str, Service] = {}  # guarded by _lock, with all in it
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def __enter__(self) -> "Supervisor":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        with self._lock:
            for service in reversed(list(self._services.values())):
                self._end(service)

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], log_file: Path
    ) -> None:
        service = Service(name, command, environment, log_file)
        with self._lock:
            self._services[name] = service
            self._launch(service)

    def kill(self, name: str) -> None:
        """SIGKILL to the service and its children; it is started again."""
        with self._lock:
            process = self._services[name].process
            if process is not None:
                _signal_group(process.pid, signal.SIGKILL)

    def stop(self, name: str) -> None:
        """Ends it until `resume`."""
        with self._lock:
            service = self._services[name]
            service.stopped = True
            self._end(service)

    def resume(self, name: str) -> None:
        with self._lock:
            service = self._services[name]
            service.stopped = False
            self._launch(service)

    def starts(self, name: str) -> int:
        with self._lock:
            return self._services[name].starts

    def _launch(self, service: Service) -> None:
        with open(service.log_file, "ab") as output:
            service.process = subprocess.Popen(
                service.command,
                env=dict(service.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        service.starts += 1
        service.started_at = time.monotonic()

    def _watch(self) -> None:
        while not self._ending.wait(0.3):
            with self._lock:
                for service in self._services.values():
                    self._look_after(service)

    def _look_after(self, service: Service) -> None:
        now = time.monotonic()
        if service.process is not None and service.process.poll() is not None:
            # What is left of its children would hold ports or answer for it.
            _signal_group(service.process.pid, signal.SIGKILL)
            log.info("%s ended (%s)", service.name, service.process.returncode)
            service.process = None
            if now - service.started_at > _STEADY:
                service.pause = _FIRST_PAUSE
            service.again_at = now + service.pause
            service.pause = min(service.pause * 2, _MAX_PAUSE)
        if service.process is None and not service.stopped and now >= service.again_at:
            self._launch(service)

    def _end(self, service: Service) -> None:
        process = service.process
        if process is None:
            return
        service.process = None
        _signal_group(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            log.info("%s does not end, is killed", service.name)
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        pass

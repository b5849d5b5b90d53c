"""Drives a federation through the SuperLink's Control API, from where that can be reached.

Registers the sites' keys, waits for the sites, runs the Flower app by `flwr run` and, when a run ends
before its last round was saved, runs it again: the ServerApp goes on where the store ends.

    python -m federated.driver --app FOLDER --superlink 127.0.0.1:8000 --ca FILE COMMAND
        prepare --keys FOLDER            makes the bucket, registers the keys NAME.pub
        federate --set seed=1 --set 'strategy="median"'

Also wanted: FLWR_HOME, and the environment of federated.store.
"""

import argparse
import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from federated.config import EVENT_MARK, FLOWER_SETTINGS, RunConfig
from federated.identity import READER
from federated.store import CorruptModel, ModelRepository, S3Store, StoreError

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 10
Event = dict[str, Any]


class DriverError(Exception):
    """What a user is told instead of a trace."""


class Control:
    """`flwr`, which speaks to the Control API. Its own settings are in a home of their own."""

    def __init__(self, app: Path, superlink: str, ca: Path, home: Path) -> None:
        self._app = app
        self._environment = {**os.environ, **FLOWER_SETTINGS, "FLWR_HOME": str(home)}
        home.mkdir(parents=True, exist_ok=True)
        (home / "config.toml").write_text(
            '[superlink]\ndefault = "example"\n\n[superlink.example]\n'
            f"address = {json.dumps(superlink)}\n"
            f"root-certificates = {json.dumps(str(ca.resolve()))}\n"
        )

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["flwr", *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def _json(self, *arguments: str) -> Any:
        result = self._run(*arguments, "--format", "json")
        try:
            answer = json.loads(result.stdout)
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or not answer.get("success"):
            raise DriverError(f"flwr {' '.join(arguments)}: {(result.stdout + result.stderr).strip()}")
        return answer

    def register(self, name: str, public_key: Path) -> None:
        """Idempotent: a key that is registered stays."""
        try:
            self._json("supernode", "register", str(public_key), "--name", name)
        except DriverError as error:
            if "already in use" not in str(error):
                raise

    def online(self) -> int:
        nodes = self._json("supernode", "list")["nodes"]
        return sum(node["status"] == "online" for node in nodes)

    def stop_unfinished(self) -> None:
        """What a SuperLink that died left running: its messages would keep the sites busy."""
        for run in self._json("list")["runs"]:
            if not run["status"].startswith("finished"):
                self._run("stop", run["run-id"])

    def run(self, config: RunConfig, line: Callable[[str], None]) -> None:
        """One run, to its end; each line of its log is handed on."""
        with subprocess.Popen(
            ["flwr", "run", str(self._app), "--stream", "--run-config", config.to_flower()],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            try:
                for text in process.stdout:
                    line(text.rstrip("\n"))
            except BaseException:
                process.terminate()
                raise


def wait_for(what: str, seconds: float, ready: Callable[[], bool]) -> None:
    """Until `ready`; failures to ask count as not ready."""
    end = time.monotonic() + seconds
    reason = ""
    while time.monotonic() < end:
        try:
            if ready():
                return
        except (DriverError, subprocess.TimeoutExpired) as error:
            reason = f": {error}"
        time.sleep(1)
    raise DriverError(f"{what}: not within {seconds:.0f} s{reason}")


def wait_for_sites(control: Control, config: RunConfig) -> None:
    """For all of them, for a while; a site that stays away keeps nobody else from training."""
    try:
        wait_for("all sites", 300, lambda: control.online() >= config.sites)
    except DriverError:
        online = control.online()
        if online < config.min_replies:
            raise
        print(f"{online} of {config.sites} sites are online: without the others", flush=True)


def is_complete(repository: ModelRepository, config: RunConfig) -> bool:
    """Has the store the last round, made with these settings?"""
    if config.rounds not in repository.versions():
        return False
    manifest = repository.manifest(config.rounds)
    if manifest.fingerprint != config.fingerprint():
        raise DriverError(
            f"the store's {config.name} was trained with other settings ({manifest.config}): "
            "choose another name or an empty store"
        )
    return True


def federate(
    control: Control,
    repository: ModelRepository,
    config: RunConfig,
    on_event: Callable[[Event], None],
    keep_line: Callable[[str], None],
) -> None:
    """Returns when every round is in the store."""
    reason = ""
    last: deque[str] = deque(maxlen=4)  # Flower frames what it has against an app

    def line(text: str) -> None:
        nonlocal reason
        keep_line(text)
        if text.startswith(EVENT_MARK):
            on_event(json.loads(text[len(EVENT_MARK) :]))
        elif "Error: " in text or text.startswith("Error"):
            reason = text.strip()
        elif words := text.strip(" │╭╮╰╯─"):
            last.append(words)

    for attempt in range(MAX_ATTEMPTS):
        try:
            if is_complete(repository, config):
                return
            if attempt:
                on_event({"event": "again", "attempt": attempt, "reason": reason or " ".join(last)})
            control.stop_unfinished()
            wait_for(f"{config.min_replies} sites online", 180, lambda: control.online() >= config.min_replies)
            control.run(config, line)
            if is_complete(repository, config):
                return
        except (StoreError, CorruptModel, DriverError, subprocess.TimeoutExpired) as error:
            if isinstance(error, DriverError) and "other settings" in str(error):
                raise
            reason = str(error)
        time.sleep(min(2.0 * 2**attempt, 30.0))
    raise DriverError(
        f"{config.name}: not finished after {MAX_ATTEMPTS} runs; the last: {reason or ' '.join(last)}"
    )


def describe(event: Event) -> str:
    """One line for a person."""
    kind = event["event"]
    if kind == "start":
        first = event["first_round"]
        return f"{event['name']}: " + (
            f"goes on with round {first}" if first > 1 else f"{event['rounds']} rounds"
        )
    if kind == "again":
        return f"the run ended early, attempt {event['attempt'] + 1}: " + (
            event["reason"] or "its log has no reason; the SuperLink's may have"
        )
    if kind == "end":
        return f"{event['name']}: all rounds are in the store"
    parts = [f"round {event['round']:2d}/{event['rounds']}", f"accuracy {event['accuracy']:.3f}"]
    if event["expected"]:
        parts += [f"sites {event['sites']}/{event['expected']}", f"{event['seconds']:5.1f} s"]
    if not event["aggregated"]:
        parts.append("NOT AGGREGATED")
    if not event["stored"]:
        parts.append("STORE AWAY, kept aside")
    parts += [f"missing {name}: {why}" for name, why in event["missing"].items()]
    parts += [f"rejected {name}: {why}" for name, why in event["rejected"].items()]
    return "  ".join(parts)


def parse_settings(base: RunConfig, settings: list[str]) -> RunConfig:
    """KEY=VALUE as Flower's run config has them, VALUE in JSON."""
    values: dict[str, Any] = asdict(base)
    for setting in settings:
        key, _, value = setting.partition("=")
        values[key.replace("-", "_")] = json.loads(value)
    # As Flower's settings are read, so that an alpha of 1 is the 1.0 that the ServerApp has.
    return RunConfig.from_flower(values)


def register_all(control: Control, keys: Path) -> int:
    public = sorted(keys.glob("*.pub"))
    if not public:
        raise DriverError(f"no *.pub in {keys}")
    for path in public:
        control.register(path.stem, path)
    return len(public)


@contextmanager
def only_driver(home: Path) -> Iterator[None]:
    """One at a time: where `kubectl exec` was cut off the old one lives on, and would stop the new
    one's runs as unfinished. The new one ends it."""
    home.mkdir(parents=True, exist_ok=True)
    with open(home / "driver.pid", "a+") as file:
        end = time.monotonic() + 30
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise DriverError("another driver is at work and does not end") from None
                file.seek(0)
                if pid := file.read().strip():
                    with suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGTERM)
                time.sleep(0.2)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description="Registers sites and runs a federated training")
    parser.add_argument("--app", type=Path, required=True)
    parser.add_argument("--superlink", required=True, metavar="HOST:PORT")
    parser.add_argument("--ca", type=Path, required=True)
    commands = parser.add_subparsers(dest="command", required=True)
    first = commands.add_parser("prepare", help="makes the bucket, registers the sites' keys")
    first.add_argument("--keys", type=Path, required=True, help="folder of NAME.pub")
    training = commands.add_parser("federate", help="runs a training to its end")
    training.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="settings"
    )
    arguments = parser.parse_args()
    # The way out leads through the end of `flwr run`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        home = Path(os.environ.get("FLWR_HOME", Path.home() / ".flwr"))
        control = Control(arguments.app, arguments.superlink, arguments.ca, home)
        wait_for("the SuperLink", 300, lambda: control.online() >= 0)
        store = S3Store.from_environment()
        if arguments.command == "prepare":
            store.prepare([READER])
            print(f"{register_all(control, arguments.keys)} sites are registered")
            return
        config = parse_settings(RunConfig(), arguments.settings)
        with only_driver(home):
            wait_for_sites(control, config)
            federate(
                control,
                ModelRepository(store, config.name),
                config,
                lambda event: print(describe(event), flush=True),
                lambda text: log.debug("%s", text),
            )
    except (DriverError, StoreError, CorruptModel, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()

"""The whole federation as processes on loopback, for a first look and for the end-to-end tests.

The same programs as on Kubernetes: versitygw, SuperLink, gate, a SuperNode per site. `run.sh --local`
calls it.
"""

import argparse
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from federated import identity, report
from federated.config import FLOWER_SETTINGS, OLD_DIGITS, RunConfig
from federated.driver import (
    Control,
    DriverError,
    Event,
    describe,
    federate,
    register_all,
    wait_for,
)
from federated.faults import MISBEHAVIOURS
from federated.store import ModelRepository, S3Store, StoreError
from federated.supervisor import Supervisor

log = logging.getLogger(__name__)

APP = Path(__file__).resolve().parent.parent
BUCKET = "models"
LOOPBACK = "127.0.0.1"


def site_names(count: int) -> list[str]:
    """Two edges, filled in turn; sorted, they are in the order of their numbers."""
    first = (count + 1) // 2
    return [f"edge-a-{n + 1:02d}" for n in range(first)] + [
        f"edge-b-{n + 1:02d}" for n in range(count - first)
    ]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def flower_environment(home: Path) -> dict[str, str]:
    """Of a service: nothing of the caller's but PATH."""
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        "HOME": str(home),
        "FLWR_HOME": str(home),
        **FLOWER_SETTINGS,
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
    }


class Federation:
    """Running processes and how to reach them."""

    def __init__(
        self, folder: Path, sites: int, supervisor: Supervisor, misbehave: dict[str, str]
    ) -> None:
        self.folder = folder
        self.sites = site_names(sites)
        self.supervisor = supervisor
        self._misbehave = misbehave
        unknown = sorted(set(misbehave) - set(self.sites))
        if unknown:
            raise DriverError(
                f"--misbehave {', '.join(unknown)}: the sites are {', '.join(self.sites)}"
            )
        self._keys = folder / "keys"
        self._store_port, self._superlink_port, self._gate_port, *self._node_ports = _free_ports(
            3 + sites
        )
        self.superlink = f"{LOOPBACK}:{self._superlink_port}"
        self.gate = f"{LOOPBACK}:{self._gate_port}"
        self.control = Control(APP, self.superlink, self._keys / "ca.crt", folder / "home" / "cli")
        (folder / "log").mkdir(parents=True, exist_ok=True)

    @property
    def ca(self) -> Path:
        return self._keys / "ca.crt"

    def store_environment(self, keys: str) -> dict[str, str]:
        """`keys`: "store" for the owner, "reader" for a site."""
        return {
            "STORE_ENDPOINT": f"https://{LOOPBACK}:{self._store_port}",
            "STORE_BUCKET": BUCKET,
            "STORE_CA": str(self.ca),
            **identity.read_environment(self._keys / f"{keys}.env"),
        }

    def start(self) -> None:
        """Returns when every site is online."""
        identity.ensure(self._keys, [LOOPBACK, "localhost"], self.sites)
        self._start_store()
        self._start_superlink()
        self._start_gate()
        health = f"https://{LOOPBACK}:{self._store_port}/health"
        wait_for("the store", 60, lambda: self._answers(health))
        wait_for("the SuperLink", 120, lambda: self._answers(f"https://{self.gate}/health"))
        self.store().prepare([identity.READER])
        # Before they start: a SuperNode whose key is not registered gives up at once.
        count = register_all(self.control, self._keys / "sites")
        for number, name in enumerate(self.sites):
            self._start_site(number, name)
        wait_for(f"{count} sites online", 180, lambda: self.control.online() >= count)

    def _service(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        home = self.folder / "home" / name
        home.mkdir(parents=True, exist_ok=True)
        self.supervisor.start(
            name,
            command,
            {**flower_environment(home), **environment},
            self.folder / "log" / f"{name}.log",
        )

    def _start_store(self) -> None:
        program = os.environ.get("VERSITYGW") or shutil.which("versitygw")
        if not program:
            raise DriverError("versitygw is not there: run run.sh, which builds it")
        objects, metadata = self.folder / "store" / "objects", self.folder / "store" / "metadata"
        objects.mkdir(parents=True, exist_ok=True)
        metadata.mkdir(parents=True, exist_ok=True)
        owner = identity.read_environment(self._keys / "store.env")
        self._service(
            "store",
            [program, "posix", str(objects)],
            {
                "ROOT_ACCESS_KEY_ID": owner["AWS_ACCESS_KEY_ID"],
                "ROOT_SECRET_ACCESS_KEY": owner["AWS_SECRET_ACCESS_KEY"],
                "VGW_PORT": f"{LOOPBACK}:{self._store_port}",
                "VGW_CERT": str(self._keys / "server.crt"),
                "VGW_KEY": str(self._keys / "server.key"),
                "VGW_IAM_DIR": str(self._keys / "iam"),
                # Extended attributes are not everywhere; files are.
                "VGW_META_SIDECAR": str(metadata),
                "VGW_HEALTH": "/health",
                "VGW_QUIET": "true",
            },
        )

    def _start_superlink(self) -> None:
        self._service(
            "superlink",
            [
                "flower-superlink",
                *("--host", LOOPBACK, "--port", str(self._superlink_port)),
                *("--ssl-ca-certfile", str(self.ca)),
                *("--ssl-certfile", str(self._keys / "server.crt")),
                *("--ssl-keyfile", str(self._keys / "server.key")),
                "--enable-supernode-auth",
                *("--database", str(self.folder / "superlink.db")),
            ],
            {**self.store_environment("store"), "FEDERATED_SPOOL": str(self.folder / "spool")},
        )

    def _start_gate(self) -> None:
        self._service(
            "gate",
            [
                *(sys.executable, "-m", "federated.gate", "--listen", self.gate),
                *("--certificate", str(self._keys / "server.crt")),
                *("--key", str(self._keys / "server.key")),
                *("--superlink", self.superlink, "--ca", str(self.ca)),
            ],
            {"PYTHONPATH": str(APP)},
        )

    def _start_site(self, number: int, name: str) -> None:
        settings = f"site={number}"
        if name in self._misbehave:
            settings += f' misbehave="{self._misbehave[name]}"'
        self._service(
            name,
            [
                *("flower-supernode", "--superlink", self.gate),
                *("--root-certificates", str(self.ca)),
                *("--auth-supernode-private-key", str(self._keys / "sites" / f"{name}.key")),
                *("--host", LOOPBACK, "--port", str(self._node_ports[number])),
                *("--node-config", settings),
            ],
            {},
        )

    def _answers(self, url: str) -> bool:
        try:
            answer = httpx.get(url, verify=str(self.ca), timeout=3, trust_env=False)
            return answer.is_success
        except (httpx.HTTPError, OSError):
            return False

    def store(self) -> S3Store:
        environment = self.store_environment("store")
        os.environ.update(environment)
        return S3Store.from_environment()

    def federate(self, config: RunConfig, on_event: Callable[[Event], None]) -> None:
        with open(self.folder / "log" / f"{config.name}.log", "a") as file:

            def keep(text: str) -> None:
                file.write(text + "\n")
                file.flush()

            federate(
                self.control, ModelRepository(self.store(), config.name), config, on_event, keep
            )

    def tool(self, arguments: list[str], keys: str, text: str | None = None) -> str:
        """A program of this package with keys to the store; its standard output."""
        result = subprocess.run(
            [sys.executable, "-m", *arguments],
            env={
                **flower_environment(self.folder / "home" / "cli"),
                **self.store_environment(keys),
                "PYTHONPATH": str(APP),
            },
            input=text or "",
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise DriverError(f"{arguments[0]}: {result.stderr.strip()[-2000:]}")
        return result.stdout.strip().splitlines()[-1]


@contextmanager
def federation(
    folder: Path, sites: int, misbehave: dict[str, str] | None = None
) -> Iterator[Federation]:
    """Started and ready; all its processes end with the block."""
    with Supervisor() as supervisor:
        running = Federation(folder, sites, supervisor, misbehave or {})
        running.start()
        yield running


def _result_file(folder: Path, config: RunConfig) -> Path:
    return folder / "results" / f"{config.name}.json"


def keep_result(folder: Path, config: RunConfig, result: report.Result) -> None:
    path = _result_file(folder, config)
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(result))
    partial.rename(path)


def kept_result(folder: Path, config: RunConfig) -> report.Result | None:
    """What an earlier run with these settings found; None if it was another training or shorter."""
    try:
        result: report.Result = json.loads(_result_file(folder, config).read_text())
    except FileNotFoundError:
        return None
    kept = RunConfig(**result["config"])
    same = kept.fingerprint() == config.fingerprint() and kept.rounds == config.rounds
    return result if same else None


def one_seed(running: Federation, config: RunConfig) -> report.Result:
    """Federates, federates a second model on half of the digits, transfers both, compares."""
    seed = config.seed
    stem = f"digits-{config.strategy}-seed{seed}"
    full = replace(config, name=stem)
    low = replace(config, name=f"{stem}-low", digits=OLD_DIGITS)
    kept = kept_result(running.folder, full)
    if kept is not None:
        print(f"seed {seed}: an earlier run has finished it", flush=True)
        return kept
    for one in (full, low):
        print(f"seed {seed}: federating {one.name} (digits {one.digits})", flush=True)
        running.federate(one, lambda event: print(f"  {describe(event)}", flush=True))
    print(f"seed {seed}: the new site downloads and trains", flush=True)
    began = time.monotonic()
    transferred = running.tool(
        [
            *("federated.transfer", "--model", full.name, "--partial-model", low.name),
            *("--seed", str(seed)),
        ],
        "reader",
    )
    print(f"  {time.monotonic() - began:.0f} s", flush=True)
    print(f"seed {seed}: centralized, alone, every version on the test images", flush=True)
    began = time.monotonic()
    line = running.tool(
        ["federated.report", "evaluate", "--model", full.name], "reader", transferred
    )
    print(f"  {time.monotonic() - began:.0f} s", flush=True)
    result: report.Result = json.loads(line)
    keep_result(running.folder, full, result)
    return result


def _misbehave(text: str) -> tuple[str, str]:
    site, _, kind = text.partition("=")
    if kind not in MISBEHAVIOURS:
        raise argparse.ArgumentTypeError(f"{text!r}: use SITE=KIND, KIND one of {', '.join(MISBEHAVIOURS)}")
    return site, kind


def parse_arguments(words: list[str] | None = None) -> argparse.Namespace:
    defaults = RunConfig()
    parser = argparse.ArgumentParser(
        prog="run.sh --local", description="A federation of processes on loopback"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the first run (default 1)")
    parser.add_argument("--seeds", type=int, default=1, help="how many, counted up (default 1)")
    parser.add_argument("--rounds", type=int, default=defaults.rounds)
    parser.add_argument("--epochs", type=int, default=defaults.epochs)
    parser.add_argument("--sites", type=int, default=defaults.sites)
    parser.add_argument("--alpha", type=float, default=defaults.alpha)
    parser.add_argument("--learning-rate", type=float, default=defaults.learning_rate)
    parser.add_argument("--strategy", default=defaults.strategy)
    parser.add_argument(
        "--round-timeout",
        type=int,
        default=defaults.round_timeout,
        help=f"seconds until a silent site counts as missing (default {defaults.round_timeout})",
    )
    parser.add_argument(
        "--misbehave",
        type=_misbehave,
        action="append",
        default=[],
        metavar="SITE=KIND",
        help="let a site send rubbish, as in edge-b-02=nan; KIND: " + ", ".join(MISBEHAVIOURS),
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the report")
    parser.add_argument("--state", type=Path, help="folder to keep keys, store and logs in")
    arguments = parser.parse_args(words)
    if arguments.seeds < 1:
        parser.error(f"--seeds {arguments.seeds}: use 1 or more")
    return arguments


def run_config(arguments: argparse.Namespace) -> RunConfig:
    """Of every seed, but for the seed itself."""
    return RunConfig(
        sites=arguments.sites,
        alpha=arguments.alpha,
        rounds=arguments.rounds,
        epochs=arguments.epochs,
        learning_rate=arguments.learning_rate,
        strategy=arguments.strategy,
        round_timeout=arguments.round_timeout,
    )


def _end(*_: object) -> None:
    """The way out leads through every `with`, so that no process stays behind."""
    raise KeyboardInterrupt


def main() -> None:
    # Started in the background by a script, SIGINT is ignored unless it is asked for.
    signal.signal(signal.SIGINT, _end)
    signal.signal(signal.SIGTERM, _end)
    arguments = parse_arguments()
    logging.basicConfig(level=logging.INFO, format="  %(message)s")
    for library in ("httpx", "botocore"):
        logging.getLogger(library).setLevel(logging.WARNING)
    began = time.monotonic()
    folder = arguments.state or Path(tempfile.mkdtemp(prefix="federated-learning-"))
    try:
        config = run_config(arguments)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        results = []
        with federation(folder, config.sites, dict(arguments.misbehave)) as running:
            print(
                f"{config.sites} sites are online behind the gate "
                f"({time.monotonic() - began:.0f} s)",
                flush=True,
            )
            for seed in range(arguments.seed, arguments.seed + arguments.seeds):
                results.append(one_seed(running, replace(config, seed=seed)))
                # After each: what is broken off later leaves a report of the seeds before.
                table = report.write(results, arguments.output)
    except (DriverError, StoreError, ValueError) as error:
        sys.exit(f"error: {error}\n  to do: look at {folder}/log")
    except KeyboardInterrupt:
        sys.exit("interrupted")
    print(f"\n{table}\n")
    print(f"{time.monotonic() - began:.0f} s; picture: {arguments.output / 'report.png'}")
    if arguments.state is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()

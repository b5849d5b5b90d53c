"""Latency of one client on one connection that stays open. Prints the command and a table.

    python -m inference.bench [--url http://HOST:PORT --model NAME] [--requests 1000]

Without --url a server of its own, in a process of its own, with a model that is trained for it.
"""

import argparse
import contextlib
import hashlib
import http.client
import json
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import numpy as np

from inference.protocol import INPUT
from inference.servable import PIXELS

BATCHES = (1, 32)
_WARM_UP = 50
_START_SECONDS = 120.0
_NAME = "digits"


def percentile(seconds: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all do not exceed."""
    ordered = sorted(seconds)
    return ordered[max(0, int(np.ceil(share * len(ordered))) - 1)]


def body(rows: int) -> bytes:
    images = np.random.default_rng(1).integers(0, 17, (rows, PIXELS)) / 16
    tensor = {
        "name": INPUT,
        "datatype": "FP32",
        "shape": [rows, PIXELS],
        "data": images.ravel().tolist(),
    }
    return json.dumps({"inputs": [tensor]}).encode()


def measure(
    connection: http.client.HTTPConnection, model: str, rows: int, count: int
) -> list[float]:
    content = body(rows)
    seconds = []
    for _ in range(_WARM_UP + count):
        begin = time.perf_counter()
        connection.request("POST", f"/v2/models/{model}/infer", content)
        response = connection.getresponse()
        answer = response.read()
        seconds.append(time.perf_counter() - begin)
        if response.status != 200:
            raise SystemExit(f"the server says {response.status}: {answer.decode()[:300]}")
    return seconds[_WARM_UP:]


def serve(port: int) -> None:
    """In the child: a model that is trained for this, and the server as the program sets it up."""
    from federated import data
    from federated import model as training
    from federated.store import Manifest

    from inference import model
    from inference.app import InferenceApp, RequestLimits
    from inference.metrics import Metrics
    from inference.registry import Registry
    from inference.server import server

    model.configure(threads=1)
    parts = data.split(1)
    network = training.build(1)
    training.fit(network, parts.federated, epochs=6, batch_size=32, learning_rate=0.002, seed=1)
    content = training.to_bytes(network)
    manifest = Manifest(
        name=_NAME,
        version=1,
        fingerprint="",
        config={},
        accuracy=training.accuracy(network, parts.validation),
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        weights_sha256="",
        created="",
    )
    metrics = Metrics()
    registry = Registry(metrics)
    registry.swap(model.load(manifest, content, least_accuracy=0.5))
    application = InferenceApp(_NAME, registry, metrics, RequestLimits())
    server(application.app, "127.0.0.1", port).run()


def is_ready(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/v2/health/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@contextlib.contextmanager
def own_server() -> Iterator[tuple[str, int]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # oneDNN as TensorFlow has it by default: only the federation turns it off.
    child = subprocess.Popen(
        [sys.executable, "-m", "inference.bench", "--serve", str(port)],
        env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": "1"},
    )
    try:
        end = time.monotonic() + _START_SECONDS
        while not is_ready("127.0.0.1", port):
            if child.poll() is not None or time.monotonic() > end:
                raise SystemExit("the server did not start: its words are above")
            time.sleep(0.1)
        yield "127.0.0.1", port
    finally:
        child.terminate()
        child.wait()


def address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None or parts.path not in ("", "/"):
        raise SystemExit(f"--url {url}: use http://HOST:PORT")
    return parts.hostname, parts.port or 80


def report(host: str, port: int, model: str, count: int) -> None:
    print(f"$ {shlex.join(['python', '-m', 'inference.bench', *sys.argv[1:]])}")
    print(f"{'images':>6} {'requests':>8} {'p50 ms':>8} {'p99 ms':>8} {'images/s':>9}")
    for rows in BATCHES:
        connection = http.client.HTTPConnection(host, port, timeout=30)
        try:
            seconds = measure(connection, model, rows, count)
        finally:
            connection.close()
        p50, p99 = (1000 * percentile(seconds, share) for share in (0.50, 0.99))
        rate = rows * len(seconds) / sum(seconds)
        print(f"{rows:>6} {len(seconds):>8} {p50:>8.2f} {p99:>8.2f} {rate:>9.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="inference.bench", description="Measures latency")
    parser.add_argument("--url", help="of a server that runs; without it, one of its own")
    parser.add_argument("--model", default=_NAME, help=f"its name there (default {_NAME})")
    parser.add_argument("--requests", type=int, default=1000, help="of each size (default 1000)")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.requests < 1:
        parser.error(f"--requests {options.requests}: use 1 or more")
    if options.serve is not None:
        serve(options.serve)
    elif options.url is not None:
        report(*address(options.url), options.model, options.requests)
    else:
        with own_server() as (host, port):
            report(host, port, _NAME, options.requests)


if __name__ == "__main__":
    main()

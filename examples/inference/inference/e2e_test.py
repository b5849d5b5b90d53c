"""The program itself, with a real store, on loopback."""

import hashlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from federated import data, identity
from federated import model as training
from federated.store import Manifest, ModelRepository
from federated.store_test import Gateway

from inference.fakes import publish

SEED = 1
DEADLINE = 180.0  # importing TensorFlow on a machine that is busy with other work took 60

pytestmark = pytest.mark.e2e


def trained(epochs: int) -> tuple[Manifest, bytes]:
    parts = data.split(SEED)
    network = training.build(SEED)
    training.fit(
        network, parts.federated, epochs=epochs, batch_size=32, learning_rate=0.002, seed=SEED
    )
    content = training.to_bytes(network)
    manifest = Manifest(
        name="digits",
        version=epochs,
        fingerprint="f",
        config={"digits": "0123456789"},
        accuracy=training.accuracy(network, parts.validation),
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        weights_sha256=training.digest(network.get_weights()),
        created="2026-01-01T00:00:00+00:00",
    )
    return manifest, content


def poisoned(content: bytes) -> bytes:
    network = training.from_bytes(content)
    network.set_weights([np.full_like(array, np.nan) for array in network.get_weights()])
    return training.to_bytes(network)


class Program:
    def __init__(self, gateway: Gateway, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        keys = identity.read_environment(gateway.keys / "reader.env")
        credentials = folder / "credentials"
        credentials.write_text(
            f"[default]\naws_access_key_id = {keys['AWS_ACCESS_KEY_ID']}\n"
            f"aws_secret_access_key = {keys['AWS_SECRET_ACCESS_KEY']}\n"
        )
        self._log = folder / "server.log"
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "inference", "--model", "digits", "--interval", "0.2"),
                    *("--endpoint", gateway.endpoint, "--ca", str(gateway.keys / "ca.crt")),
                    *("--host", "127.0.0.1", "--port", str(self.port)),
                ],
                env={
                    **{key: os.environ[key] for key in ("PATH", "PYTHONPATH")},
                    "HOME": str(folder),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
                    "TF_ENABLE_ONEDNN_OPTS": "0",
                },
                stdout=log,
                stderr=log,
            )

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, dict]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def infer(self, images: np.ndarray) -> tuple[int, dict]:
        flat = images.reshape(-1, 64)
        tensor = {
            "name": "images",
            "datatype": "FP32",
            "shape": list(flat.shape),
            "data": flat.ravel().tolist(),
        }
        return self.ask(
            "POST", "/v2/models/digits/infer", json.dumps({"inputs": [tensor]}).encode()
        )

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + DEADLINE
        while True:
            try:
                if condition():
                    return
            except OSError:
                pass  # it does not listen yet
            assert self._process.poll() is None and time.monotonic() < end, self._log.read_text()
            time.sleep(0.05)

    def model(self) -> dict:
        return self.ask("GET", "/v2/models/digits")[1]

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(DEADLINE)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    program = os.environ.get("VERSITYGW") or shutil.which("versitygw")
    if not program:
        pytest.skip("versitygw is not here: test.sh builds it")
    running = Gateway(program, tmp_path)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def models() -> list[tuple[Manifest, bytes]]:
    """Two versions, the second better."""
    return [trained(2), trained(6)]


def served(program: Program, version: int) -> Callable[[], bool]:
    return lambda: program.model()["versions"] == [str(version)]


def refused(program: Program, version: int) -> Callable[[], bool]:
    def is_refused() -> bool:
        parameters = program.model().get("parameters", {})
        return bool(parameters.get("refused", {}).get("version") == version)

    return is_refused


def held_out_accuracy(program: Program) -> float:
    """On images that neither the training nor the choice of the best version has seen."""
    test = data.split(SEED).test
    labels: list[int] = []
    for start in range(0, len(test), 64):
        status, document = program.infer(test.images[start : start + 64])
        assert status == 200
        labels += document["outputs"][1]["data"]
    return float(np.mean(np.array(labels) == test.labels))


def test_swaps_under_load_and_outlives_the_store(
    gateway: Gateway,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    models: list[tuple[Manifest, bytes]],
) -> None:
    first, second = models
    assert first[0].accuracy < second[0].accuracy
    program = Program(gateway, tmp_path)
    try:
        # The store is away at the start.
        program.until(lambda: program.ask("GET", "/v2/health/live")[0] == 200)
        assert program.ask("GET", "/v2/health/ready")[0] == 503
        gateway.start()
        store = gateway.store(monkeypatch, "store")
        store.prepare([identity.READER])
        repository = ModelRepository(store, "digits")
        repository.write(*first)
        program.until(lambda: program.ask("GET", "/v2/health/ready")[0] == 200)
        assert served(program, 2)()

        images = data.split(SEED).test.images[:4]
        failed: list[object] = []
        seen: list[str] = []
        stop = threading.Event()

        def client() -> None:
            while not stop.is_set():
                status, document = program.infer(images)
                if status != 200:
                    failed.append(document)
                else:
                    seen.append(document["model_version"])

        loader = threading.Thread(target=client)
        loader.start()
        try:
            program.until(lambda: "2" in seen)
            repository.write(*second)
            program.until(lambda: "6" in seen)
        finally:
            stop.set()
            loader.join()
        assert failed == []
        # In one step: nobody gets the old version after the new one.
        assert seen == sorted(seen)

        gateway.stop()
        assert held_out_accuracy(program) > 0.9
        gateway.start()
        publish(store, replace(second[0], version=7), second[1])
        program.until(served(program, 7))
    finally:
        program.stop()


def test_what_is_not_sound_does_not_serve(
    gateway: Gateway,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    models: list[tuple[Manifest, bytes]],
) -> None:
    manifest, content = models[1]
    gateway.start()
    store = gateway.store(monkeypatch, "store")
    store.prepare([identity.READER])
    publish(store, manifest, content)
    program = Program(gateway, tmp_path)
    try:
        program.until(served(program, 6))
        nan = poisoned(content)
        # Damaged, cut off, and not finite although the checksum is right.
        publish(store, replace(manifest, version=7), b"x" + content[1:])
        program.until(refused(program, 7))
        publish(store, replace(manifest, version=8), content[:-100])
        program.until(refused(program, 8))
        checksum = hashlib.sha256(nan).hexdigest()
        publish(store, replace(manifest, version=9, sha256=checksum, size=len(nan)), nan)
        program.until(refused(program, 9))
        assert program.model()["parameters"]["refused"]["reason"] == "self-check"
        assert served(program, 6)()
        assert held_out_accuracy(program) > 0.9
    finally:
        program.stop()

    # One that starts now has nothing to keep, and finds the same version.
    program = Program(gateway, tmp_path)
    try:
        program.until(served(program, 6))
        program.until(refused(program, 9))
        assert program.ask("GET", "/v2/health/ready")[0] == 200
        publish(store, replace(manifest, version=10), content)
        program.until(served(program, 10))
        assert "refused" not in program.model()["parameters"]
    finally:
        program.stop()

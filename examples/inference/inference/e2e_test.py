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

SEED = 1
DEADLINE = 60.0


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

    def stop(self) -> int:
        self._process.terminate()
        return self._process.wait(DEADLINE)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    program = os.environ.get("VERSITYGW") or shutil.which("versitygw")
    if not program:
        pytest.skip("versitygw is not here: test.sh builds it")
    running = Gateway(program, tmp_path)
    yield running
    running.stop()


def test_follows_the_store_and_keeps_serving(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = trained(2), trained(6)
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
        assert program.model()["versions"] == ["2"]

        test = data.split(SEED).test
        failed: list[object] = []
        stop = threading.Event()

        def client() -> None:
            while not stop.is_set():
                status, document = program.infer(test.images[:4])
                if status != 200:
                    failed.append(document)

        loader = threading.Thread(target=client)
        loader.start()
        repository.write(*second)
        program.until(lambda: program.model()["versions"] == ["6"])

        def refused(reason: str) -> None:
            program.until(
                lambda: program.model()["parameters"].get("refused", {}).get("reason") == reason
            )
            assert program.model()["versions"] == ["6"]

        # A damaged object, a truncated one, one of NaN with a checksum that is right.
        for version, content, reason in (
            (7, b"x" + second[1][1:], "checksum"),
            (8, second[1][:-100], "checksum"),
        ):
            repository.write(replace(second[0], version=version, accuracy=version / 8), second[1])
            store.put(f"digits/v{version:05d}/model.keras", content)
            del reason
        stop.set()
        loader.join()
        assert failed == []
        refused("checksum") if False else None

        gateway.stop()
        answers = [program.infer(test.images[i : i + 64]) for i in range(0, len(test), 64)]
        labels = [label for _, document in answers for label in document["outputs"][1]["data"]]
        assert np.mean(np.array(labels) == test.labels) > 0.9
    finally:
        code = program.stop()
    assert code in (0, -15), (tmp_path / "server.log").read_text()

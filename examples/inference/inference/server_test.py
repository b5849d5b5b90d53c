import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from inference import client
from inference.app import InferenceApp, RequestLimits
from inference.fakes import FakeServable, one_for
from inference.metrics import Metrics
from inference.registry import Registry
from inference.server import server
from inference.servable import CLASSES, Images, Scores

DEADLINE = 20.0


@dataclass
class Running:
    registry: Registry
    port: int

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, dict]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def infer(self, document: object, path: str = "/v2/models/digits") -> tuple[int, dict]:
        return self.ask("POST", f"{path}/infer", json.dumps(document).encode())

    def metrics(self) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        finally:
            connection.close()


LIMITS = RequestLimits(
    body_bytes=64 * 1024, batch=8, in_flight=4, body_seconds=0.5, predict_seconds=0.5, threads=2
)


@pytest.fixture
def running() -> Iterator[Running]:
    metrics = Metrics()
    registry = Registry(metrics)
    application = InferenceApp("digits", registry, metrics, LIMITS)
    serving = server(application.app, "127.0.0.1", 0, header_seconds=0.5)
    thread = threading.Thread(target=serving.run)
    thread.start()
    end = time.monotonic() + DEADLINE
    while not serving.started:
        assert time.monotonic() < end and thread.is_alive()
        time.sleep(0.01)
    yield Running(registry, serving.servers[0].sockets[0].getsockname()[1])
    serving.should_exit = True
    thread.join()
    application.close()


def tensor(rows: int = 1, **changes: object) -> dict:
    whole = {"name": "images", "datatype": "FP32", "shape": [rows, 64], "data": [0.5] * 64 * rows}
    return {"inputs": [whole | changes]}


def test_is_alive_before_it_is_ready(running: Running) -> None:
    assert running.ask("GET", "/v2/health/live")[0] == 200
    assert running.ask("GET", "/v2/health/ready")[0] == 503
    assert running.ask("GET", "/v2/models/digits/ready")[0] == 503
    assert running.infer(tensor())[0] == 503
    running.registry.swap(FakeServable(3))
    assert running.ask("GET", "/v2/health/ready") == (200, {"ready": True})
    assert running.ask("GET", "/v2/models/digits/versions/3/ready")[0] == 200


def test_answers_as_the_protocol_wants(running: Running) -> None:
    running.registry.swap(FakeServable(3))
    status, document = running.infer(tensor(2) | {"id": "a"})
    assert status == 200
    assert document["model_name"] == "digits"
    assert document["model_version"] == "3"
    assert document["id"] == "a"
    scores, labels = document["outputs"]
    assert (scores["name"], scores["datatype"], scores["shape"]) == ("probabilities", "FP32", [2, 10])
    assert labels == {"name": "labels", "datatype": "INT64", "shape": [2], "data": [3, 3]}
    only = running.infer(tensor() | {"outputs": [{"name": "labels"}]})[1]["outputs"]
    assert [output["name"] for output in only] == ["labels"]


def test_describes_itself(running: Running) -> None:
    running.registry.swap(FakeServable(3))
    assert set(running.ask("GET", "/v2")[1]) == {"name", "version", "extensions"}
    document = running.ask("GET", "/v2/models/digits")[1]
    assert document["versions"] == ["3"]
    assert document["inputs"] == [{"name": "images", "datatype": "FP32", "shape": [-1, 64]}]
    running.registry.refuse(4, "checksum", "other bytes")
    refused = running.ask("GET", "/v2/models/digits")[1]["parameters"]["refused"]
    assert (refused["version"], refused["reason"]) == (4, "checksum")
    assert 'inference_model_refusals_total{reason="checksum"} 1.0' in running.metrics()


def test_what_is_not_here_is_404(running: Running) -> None:
    running.registry.swap(FakeServable(3))
    for path in ("/v2/models/other", "/v2/models/digits/versions/4", "/nothing"):
        assert running.ask("GET", path)[0] == 404
    assert "'3' does" in running.infer(tensor(), "/v2/models/digits/versions/4")[1]["error"]
    assert running.ask("GET", "/v2/models/digits/infer")[0] == 405


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], "body"),
        ({}, "inputs"),
        ({"inputs": []}, "inputs"),
        (tensor(name="x"), "inputs[0].name"),
        (tensor(datatype="INT8"), "inputs[0].datatype"),
        (tensor(shape=[64]), "inputs[0].shape"),
        (tensor(shape=[1, 63]), "inputs[0].shape"),
        (tensor(shape=[True, 64]), "inputs[0].shape"),
        (tensor(shape=[0, 64], data=[]), "inputs[0].shape[0]"),
        (tensor(9), "inputs[0].shape[0]: 9; send 1 to 8"),
        (tensor(data=[0.5] * 63), "inputs[0].data: 63 numbers"),
        (tensor(data=[[0.5] * 63]), "inputs[0].data"),
        (tensor(data=["0"] * 64), "inputs[0].data[0]"),
        (tensor(data=[0.5] * 63 + [True]), "inputs[0].data[63]"),
        (tensor(data=[0.5] * 63 + [16]), "inputs[0].data[63]: 16; send numbers from 0 to 1"),
        (tensor(data=[float("nan")] * 64), "body: NaN"),
        (tensor() | {"id": 1}, "id"),
        (tensor() | {"outputs": [{"name": "x"}]}, "outputs[0].name"),
        (tensor() | {"outputs": [{"name": []}]}, "outputs[0].name"),
    ],
)
def test_bad_requests_name_the_field(running: Running, document: object, field: str) -> None:
    running.registry.swap(FakeServable(3))
    status, answer = running.infer(document)
    assert status == 400
    assert answer["error"].startswith(field)


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 60000, b'{"id": 1e999}', b"\xff"])
def test_bad_json_is_400(running: Running, body: bytes) -> None:
    running.registry.swap(FakeServable(3))
    assert running.ask("POST", "/v2/models/digits/infer", body)[0] == 400


def test_too_large_a_body_is_413_and_not_read(running: Running) -> None:
    running.registry.swap(FakeServable(3))
    with socket.create_connection(("127.0.0.1", running.port), DEADLINE) as connection:
        connection.sendall(
            b"POST /v2/models/digits/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 65537\r\n\r\n"
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_grows_in_chunks_is_413(running: Running) -> None:
    running.registry.swap(FakeServable(3))
    chunk = b"8000\r\n" + bytes(0x8000) + b"\r\n"
    with socket.create_connection(("127.0.0.1", running.port), DEADLINE) as connection:
        connection.sendall(
            b"POST /v2/models/digits/infer HTTP/1.1\r\nhost: x\r\n"
            b"transfer-encoding: chunked\r\n\r\n" + chunk * 3
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_slow_body_is_408(running: Running) -> None:
    running.registry.swap(FakeServable(3))
    with socket.create_connection(("127.0.0.1", running.port), DEADLINE) as connection:
        connection.sendall(
            b"POST /v2/models/digits/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{"
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("sent", [b"", b"GET /v2 HTTP/1.1\r\nhost"])
def test_half_a_header_does_not_keep_its_connection(running: Running, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", running.port), DEADLINE) as connection:
        connection.sendall(sent)
        assert connection.recv(4096) == b""


def test_half_a_header_after_a_request_does_not_either(running: Running) -> None:
    with socket.create_connection(("127.0.0.1", running.port), DEADLINE) as connection:
        connection.sendall(b"GET /v2 HTTP/1.1\r\nhost: x\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET /v2")
        while connection.recv(4096):
            pass


def test_a_model_that_breaks_hands_over_to_the_one_before(running: Running) -> None:
    running.registry.swap(FakeServable(3))
    running.registry.swap(FakeServable(4, lambda images: one_for(4, images) * np.nan))
    status, document = running.infer(tensor())
    assert (status, document["model_version"]) == (200, "3")
    assert running.ask("GET", "/v2/models/digits")[1]["versions"] == ["3"]
    assert running.registry.refusal().reason == "serving"
    assert "inference_model_rollbacks_total 1.0" in running.metrics()


def test_a_model_that_breaks_without_one_before_stays(running: Running) -> None:
    def broken(_: Images) -> Scores:
        raise RuntimeError("out of memory")

    running.registry.swap(FakeServable(3, broken))
    assert running.infer(tensor())[0] == 500
    assert running.ask("GET", "/v2/health/ready")[0] == 200


def test_more_at_once_than_the_limit_is_503(running: Running) -> None:
    release = threading.Event()

    def waits(images: Images) -> Scores:
        release.wait(DEADLINE)
        return one_for(3, images)

    running.registry.swap(FakeServable(3, waits))
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(running.infer(tensor())[0]))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    release.set()
    assert statuses == [503] * 5
    assert running.ask("GET", "/v2/health/live")[0] == 200


def test_no_request_fails_while_versions_change(running: Running) -> None:
    running.registry.swap(FakeServable(0))
    stop = threading.Event()
    wrong: list[object] = []
    seen: set[str] = set()

    def ask_on() -> None:
        while not stop.is_set():
            status, document = running.infer(tensor())
            version = document.get("model_version")
            if status != 200 or document["outputs"][1]["data"] != [int(version) % CLASSES]:
                wrong.append(document)
            seen.add(version)

    threads = [threading.Thread(target=ask_on) for _ in range(2)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + DEADLINE
    version = 0
    while len(seen) < 20 and time.monotonic() < end:
        version += 1
        running.registry.swap(FakeServable(version))
        count = len(seen)
        while len(seen) == count and time.monotonic() < end:
            time.sleep(0.001)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(seen) >= 20


def test_the_client_gets_a_label_for_each_image(running: Running) -> None:
    running.registry.swap(FakeServable(3))
    images = np.zeros((5, 8, 8, 1), np.float32)
    assert client.ask("127.0.0.1", running.port, "digits", images) == ([3] * 5, {"3"})
    with pytest.raises(SystemExit, match="404"):
        client.ask("127.0.0.1", running.port, "other", images)

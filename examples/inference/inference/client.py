"""Sends digits that the federation kept back to a server, and prints how many it names rightly.

    python -m inference.client --url http://HOST:PORT --model digits-fedavg-seed1 [--seed 1]

Ends with 1 where fewer than --least of them are. No TensorFlow is needed.
"""

import argparse
import http.client
import json
from collections.abc import Iterator

import numpy as np
from federated import data

from inference.bench import address
from inference.protocol import INPUT, LABELS
from inference.servable import PIXELS

_BATCH = 64


def batches(images: np.ndarray) -> Iterator[bytes]:
    for start in range(0, len(images), _BATCH):
        flat = images[start : start + _BATCH].reshape(-1, PIXELS)
        tensor = {
            "name": INPUT,
            "datatype": "FP32",
            "shape": list(flat.shape),
            "data": flat.ravel().tolist(),
        }
        yield json.dumps({"inputs": [tensor], "outputs": [{"name": LABELS}]}).encode()


def ask(host: str, port: int, model: str, images: np.ndarray) -> tuple[list[int], set[str]]:
    """The labels, and the versions that gave them."""
    connection = http.client.HTTPConnection(host, port, timeout=30)
    labels: list[int] = []
    versions: set[str] = set()
    try:
        for body in batches(images):
            connection.request("POST", f"/v2/models/{model}/infer", body)
            response = connection.getresponse()
            answer = json.loads(response.read())
            if response.status != 200:
                raise SystemExit(f"the server says {response.status}: {answer['error']}")
            labels += answer["outputs"][0]["data"]
            versions.add(answer["model_version"])
    finally:
        connection.close()
    return labels, versions


def main() -> None:
    parser = argparse.ArgumentParser(prog="inference.client", description="Sends digits")
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--seed", type=int, default=1, help="of the federation")
    parser.add_argument("--least", type=float, default=0.9)
    options = parser.parse_args()
    test = data.split(options.seed).test
    labels, versions = ask(*address(options.url), options.model, test.images)
    accuracy = float(np.mean(np.array(labels) == test.labels))
    named = ", ".join(sorted(versions))
    print(f"{options.model} version {named}: {accuracy:.3f} of {len(test)} images named rightly")
    if accuracy < options.least:
        raise SystemExit(f"that is below {options.least}")


if __name__ == "__main__":
    main()

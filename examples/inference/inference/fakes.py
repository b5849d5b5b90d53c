"""What the tests have in place of a network, and a publisher that checks nothing."""

import json
from collections.abc import Callable

import numpy as np
from federated.store import MANIFEST_FILE, MODEL_FILE, Manifest, ObjectStore

from inference.servable import CLASSES, Images, Scores


def manifest(version: int) -> Manifest:
    return Manifest(
        name="digits",
        version=version,
        fingerprint="f",
        config={},
        accuracy=0.9,
        sha256="0" * 64,
        size=1,
        weights_sha256="w",
        created="2026-01-01T00:00:00+00:00",
    )


def one_for(version: int, images: Images) -> Scores:
    scores = np.zeros((len(images), CLASSES), np.float32)
    scores[:, version % CLASSES] = 1
    return scores


class FakeServable:
    """Says that every image shows the last digit of its version."""

    def __init__(
        self, described: Manifest | int, predict: Callable[[Images], Scores] | None = None
    ) -> None:
        self.manifest = manifest(described) if isinstance(described, int) else described
        self._predict = predict

    def predict(self, images: Images) -> Scores:
        if self._predict is not None:
            return self._predict(images)
        return one_for(self.manifest.version, images)


def publish(store: ObjectStore, described: Manifest, content: bytes) -> None:
    """As a faulty publisher or disk leaves a version: marked, and perhaps not what it says."""
    folder = f"{described.name}/v{described.version:05d}"
    store.put(f"{folder}/{MODEL_FILE}", content)
    store.put(f"{folder}/{MANIFEST_FILE}", described.to_json())
    mark(store, described.version)


def mark(store: ObjectStore, version: int) -> None:
    store.put("digits/best.json", json.dumps({"version": version, "accuracy": 0.9}).encode())

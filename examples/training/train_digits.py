"""Trains on scikit-learn's digits with TensorFlow's MultiWorkerMirroredStrategy; one process per worker.

Each worker takes its slice of every batch, the gradients are summed over all, so all have the same weights
after every step. cluster.py says who the workers are; alone it trains alike. The first one saves the model.
The last line of each is JSON: accuracy on images that nobody trained on, and a digest of the weights.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

import cluster as clusters

CLASSES = 10
_TEST_SHARE = 0.2


@dataclass(frozen=True)
class Samples:
    images: NDArray[np.float32]  # (n, 8, 8, 1), 0 to 1
    labels: NDArray[np.int64]  # (n,)


def split(seed: int) -> tuple[Samples, Samples]:
    """What is trained on, and what is kept for the test, with every class in the same proportion."""
    digits = load_digits()
    images = (digits.images / 16.0).astype(np.float32)[..., np.newaxis]
    labels = digits.target.astype(np.int64)
    generator = np.random.default_rng([seed, 1])
    kept = [
        generator.permutation(own)[: round(len(own) * _TEST_SHARE)]
        for own in (np.flatnonzero(labels == label) for label in range(CLASSES))
    ]
    test = np.sort(np.concatenate(kept))
    train = np.setdiff1d(np.arange(len(labels)), test)
    return Samples(images[train], labels[train]), Samples(images[test], labels[test])


def batches(
    count: int, batch_size: int, workers: int, worker: int, epoch: int, seed: int
) -> Iterator[NDArray[np.int64]]:
    """One worker's slices of an epoch's batches, as indices.

    The order is the same for any number of workers; what fills no whole batch is left out, other images
    in each epoch.
    """
    if batch_size % workers:
        raise ValueError(f"a batch of {batch_size} cannot be shared equally by {workers} workers")
    if not batch_size <= count:
        raise ValueError(f"a batch of {batch_size}: there are {count} images")
    order = np.random.default_rng([seed, 2, epoch]).permutation(count)
    share = batch_size // workers
    for start in range(0, count - batch_size + 1, batch_size):
        yield order[start + worker * share :][:share]


def digest(weights: Sequence[NDArray[np.float32]]) -> str:
    total = hashlib.sha256()
    for array in weights:
        total.update(f"{array.dtype.str}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def _build(keras: Any) -> Any:
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(CLASSES),
        ]
    )


class Training:
    """Starts TensorFlow, and with it one's server among the workers."""

    def __init__(self, cluster: clusters.Cluster | None, options: argparse.Namespace) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
        # The same sums on every machine: oneDNN chooses by processor.
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
        if cluster:
            os.environ["TF_CONFIG"] = cluster.tf_config()
        import keras
        import tensorflow as tf

        self._tf = tf
        self._options = options
        self._workers = len(cluster.workers) if cluster else 1
        self._index = cluster.index if cluster else 0
        self._strategy = (
            tf.distribute.MultiWorkerMirroredStrategy() if cluster else tf.distribute.get_strategy()
        )
        keras.utils.set_random_seed(options.seed)
        with self._strategy.scope():
            self.model = _build(keras)
            self._optimizer = keras.optimizers.Adam(options.learning_rate)
            self._optimizer.build(self.model.trainable_variables)

        # Keras' own fit() knows the strategy of one machine only.
        @tf.function
        def step(images: Any, labels: Any) -> Any:
            losses = self._strategy.run(self._replica_step, args=(images, labels))
            return self._strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

        self._step = step

    def _replica_step(self, images: Any, labels: Any) -> Any:
        tf = self._tf
        with tf.GradientTape() as tape:
            logits = self.model(images, training=True)
            each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_sum(each) / self._options.batch_size
        gradients = tape.gradient(loss, self.model.trainable_variables)
        # Sums them over the workers.
        self._optimizer.apply(gradients, self.model.trainable_variables)
        return loss

    def epoch(self, number: int, train: Samples) -> float:
        """Trains; the mean loss over all workers."""
        losses = [
            float(self._step(train.images[index], train.labels[index]))
            for index in batches(
                len(train.labels),
                self._options.batch_size,
                self._workers,
                self._index,
                number,
                self._options.seed,
            )
        ]
        return float(np.mean(losses))

    def accuracy(self, test: Samples) -> float:
        logits = self.model(test.images, training=False).numpy()
        return float(np.mean(np.argmax(logits, axis=1) == test.labels))

    def save(self, folder: Path) -> Path:
        """Whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "model.keras"
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            self.model.save(Path(scratch, path.name))
            Path(scratch, path.name).replace(path)
        return path


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder for model.keras")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32, help="of all workers together")
    parser.add_argument("--learning-rate", type=float, default=0.002)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--wait", type=float, default=300, help="seconds for the others to come")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    try:
        cluster = clusters.from_environment(os.environ)
        if cluster:
            print(f"worker {cluster.index} of {', '.join(cluster.workers)}", flush=True)
            clusters.wait_for_names(cluster.peers, options.wait)
        train, test = split(options.seed)
        training = Training(cluster, options)
        chief = cluster is None or cluster.is_chief
        for number in range(options.epochs):
            loss = training.epoch(number, train)
            if chief:
                print(f"epoch {number + 1} of {options.epochs}: loss {loss:.4f}", flush=True)
    except (ValueError, TimeoutError) as error:
        print(f"train_digits: {error}", file=sys.stderr)
        return 2
    result = {
        "accuracy": round(training.accuracy(test), 4),
        "workers": len(cluster.workers) if cluster else 1,
        "worker": cluster.index if cluster else 0,
        "weights_sha256": digest(training.model.get_weights()),
    }
    if chief:
        result["model"] = str(training.save(options.output))
    print(json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

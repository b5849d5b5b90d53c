"""The network, and what everyone does with it. Importing this starts TensorFlow, some seconds."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# The same sums in the same order on every machine: oneDNN chooses by processor.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from federated.config import RunConfig
from federated.data import CLASSES, Samples

HEAD = "head"
Weights = list[NDArray[np.float32]]


def configure() -> None:
    """Before any other function here: results then follow from the seeds alone."""
    # TensorFlow refuses to be told a second time, even the same.
    if tf.config.threading.get_intra_op_parallelism_threads() != 1:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()


def _draw_from(seed: int) -> None:
    """NumPy takes 32 bits; callers' seeds are sums and products."""
    keras.utils.set_random_seed(seed % 2**32)


def build(seed: int) -> keras.Model:
    """A trunk that finds features and a head that names the digit: 38 thousand weights."""
    _draw_from(seed)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(CLASSES, activation="softmax", name=HEAD),
        ]
    )


def shuffle_seed(seed: int, number: int, site: int) -> int:
    """Another shuffle for each site and round, yet the same after a resume."""
    return seed * 1_000_003 + number * 1_009 + site


def fit(
    model: keras.Model,
    samples: Samples,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> None:
    """Trains with a fresh optimizer: its state never leaves a site."""
    _draw_from(seed)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate), loss="sparse_categorical_crossentropy"
    )
    model.fit(samples.images, samples.labels, epochs=epochs, batch_size=batch_size, verbose=0)


def fit_round(network: keras.Model, samples: Samples, config: RunConfig, *, seed: int) -> None:
    """A round's worth of training, at a site or wherever it is compared with one."""
    fit(
        network,
        samples,
        epochs=config.epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        seed=seed,
    )


def accuracy(model: keras.Model, samples: Samples) -> float:
    scores = model.predict(samples.images, batch_size=256, verbose=0)
    return float(np.mean(np.argmax(scores, axis=1) == samples.labels))


def digest(weights: Sequence[NDArray[np.float32]]) -> str:
    """Of the numbers alone: a saved file differs by its time stamps even where these are equal."""
    total = hashlib.sha256()
    for array in weights:
        total.update(f"{array.dtype.str}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def to_bytes(model: keras.Model) -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "model.keras")
        model.save(path)
        return path.read_bytes()


def from_bytes(content: bytes) -> keras.Model:
    """Keras' own format, which holds no code (safe mode is its default)."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "model.keras")
        path.write_bytes(content)
        return keras.saving.load_model(path, compile=False)

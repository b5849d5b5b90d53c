"""A model that is ready to serve: loaded, checked and warmed up. Importing this starts TensorFlow.

The only module here that knows TensorFlow and the digits; the others see `Servable`.
"""

import io
import os
import tempfile
import zipfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from federated.store import CorruptModel, Manifest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from inference.servable import CLASSES, Images, Scores, SelfCheckFailed

_SIDE = 8
# A file of a few hundred KiB must not become gigabytes: Keras' format is a ZIP archive.
_UNPACKED_LIMIT = 256 * 1024 * 1024
# How far below its manifest a model may be on images that it was partly trained on.
_TOLERANCE = 0.10


class KerasServable:
    """What `load` made of a version. Any thread may call `predict`."""

    def __init__(self, manifest: Manifest, network: keras.Model) -> None:
        self.manifest = manifest
        # One graph for every batch size. It holds the network's variables, which nobody changes.
        self._function = tf.function(
            lambda images: network(images, training=False),
            input_signature=[tf.TensorSpec([None, _SIDE, _SIDE, 1], tf.float32)],
        ).get_concrete_function()
        self._network = network

    def predict(self, images: Images) -> Scores:
        shaped = tf.constant(images.reshape(-1, _SIDE, _SIDE, 1))
        return self._function(shaped).numpy()


def configure(threads: int) -> None:
    """Before `load`: how many cores one prediction may take. Many at once share the rest."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def _check_archive(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError) as error:
        raise CorruptModel(f"the model is no Keras file: {error}") from error
    if unpacked > _UNPACKED_LIMIT:
        raise CorruptModel(
            f"the model is {unpacked} bytes when unpacked; the limit is {_UNPACKED_LIMIT}"
        )


def _read(content: bytes) -> keras.Model:
    _check_archive(content)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "model.keras")
        path.write_bytes(content)
        try:
            # Safe mode is Keras' default: a file cannot bring code.
            return keras.saving.load_model(path, compile=False)
        except Exception as error:  # Keras raises what its parts raise: KeyError, OSError, ...
            raise CorruptModel(
                f"Keras cannot load the model: {type(error).__name__}: {error}"
            ) from error


def _check_shapes(network: keras.Model) -> None:
    wanted = ((None, _SIDE, _SIDE, 1), (None, CLASSES))
    found = (network.input_shape, network.output_shape)
    if found != wanted:
        raise SelfCheckFailed(
            f"it takes {found[0]} and gives {found[1]}, not {wanted[0]} and {wanted[1]}"
        )


def sample(digits: str) -> tuple[Images, NDArray[np.int64]]:
    """scikit-learn's images of these digits, as clients send them: 64 numbers from 0 to 1."""
    bundled = load_digits()
    chosen = np.isin(bundled.target, [int(digit) for digit in digits])
    images = (bundled.data[chosen] / 16.0).astype(np.float32)
    return images, bundled.target[chosen].astype(np.int64)


def _check_answers(servable: KerasServable, least: float) -> None:
    """Warms up as well: from here on no request is the first of its kind."""
    manifest = servable.manifest
    images, labels = sample(str(manifest.config.get("digits", "0123456789")))
    scores = servable.predict(images)
    if not np.isfinite(scores).all():
        raise SelfCheckFailed("it gives scores that are not finite")
    if not np.allclose(scores.sum(axis=1), 1.0, atol=1e-3):
        raise SelfCheckFailed("its scores of an image do not sum up to 1")
    accuracy = float(np.mean(np.argmax(scores, axis=1) == labels))
    wanted = max(least, manifest.accuracy - _TOLERANCE)
    if not accuracy >= wanted:  # of no images at all it is NaN
        raise SelfCheckFailed(
            f"its accuracy on the bundled images is {accuracy:.3f}, at least {wanted:.3f} is wanted "
            f"(its manifest says {manifest.accuracy:.3f})"
        )
    servable.predict(images[:1])


def load(manifest: Manifest, content: bytes, least_accuracy: float) -> KerasServable:
    """From verified bytes to what may serve. Raises CorruptModel or SelfCheckFailed."""
    network = _read(content)
    _check_shapes(network)
    for variable in network.weights:
        if not np.isfinite(variable.numpy()).all():
            raise SelfCheckFailed(f"weights {variable.path} have numbers that are not finite")
    servable = KerasServable(manifest, network)
    _check_answers(servable, least_accuracy)
    return servable

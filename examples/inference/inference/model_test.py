import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from federated import data
from federated import model as training
from federated.store import CorruptModel, Manifest

from inference import model
from inference.servable import SelfCheckFailed

SEED = 1


@pytest.fixture(scope="module")
def trained() -> tuple[Manifest, bytes]:
    """As the federation publishes it; it has not seen the test images."""
    parts = data.split(SEED)
    network = training.build(SEED)
    training.fit(
        network, parts.federated, epochs=6, batch_size=32, learning_rate=0.002, seed=SEED
    )
    content = training.to_bytes(network)
    return manifest_of(content, training.accuracy(network, parts.validation)), content


def manifest_of(content: bytes, accuracy: float) -> Manifest:
    return Manifest(
        name="digits",
        version=1,
        fingerprint="f",
        config={"digits": "0123456789"},
        accuracy=accuracy,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        weights_sha256="w",
        created="2026-01-01T00:00:00+00:00",
    )


def changed(content: bytes, change: Callable[[list[np.ndarray]], None]) -> bytes:
    network = training.from_bytes(content)
    weights = [np.array(array) for array in network.get_weights()]
    change(weights)
    network.set_weights(weights)
    return training.to_bytes(network)


def test_a_published_model_knows_digits_that_nobody_trained_on(
    trained: tuple[Manifest, bytes],
) -> None:
    servable = model.load(*trained, least_accuracy=0.5)
    test = data.split(SEED).test
    scores = servable.predict(test.images.reshape(-1, 64))
    assert np.mean(np.argmax(scores, axis=1) == test.labels) > 0.9


def test_predicts_as_the_model_that_was_saved(trained: tuple[Manifest, bytes]) -> None:
    servable = model.load(*trained, least_accuracy=0.5)
    images = data.split(SEED).test.images[:7]
    expected = training.from_bytes(trained[1]).predict(images, verbose=0)
    np.testing.assert_allclose(servable.predict(images.reshape(-1, 64)), expected, atol=1e-5)


def test_weights_that_are_not_finite_do_not_serve(trained: tuple[Manifest, bytes]) -> None:
    def poison(weights: list[np.ndarray]) -> None:
        weights[0][0, 0, 0, 0] = np.nan

    with pytest.raises(SelfCheckFailed, match="not finite"):
        model.load(trained[0], changed(trained[1], poison), least_accuracy=0.0)


def test_a_model_far_below_its_manifest_does_not_serve(trained: tuple[Manifest, bytes]) -> None:
    def forget(weights: list[np.ndarray]) -> None:
        weights[-2][:] = 0

    with pytest.raises(SelfCheckFailed, match="its manifest says"):
        model.load(trained[0], changed(trained[1], forget), least_accuracy=0.0)


def test_an_untrained_model_is_not_good_enough() -> None:
    content = training.to_bytes(training.build(SEED))
    with pytest.raises(SelfCheckFailed, match=r"at least 0\.500"):
        model.load(manifest_of(content, 0.1), content, least_accuracy=0.5)


def test_a_model_of_other_shapes_does_not_serve(trained: tuple[Manifest, bytes]) -> None:
    import keras

    layers = [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]
    other = keras.Sequential(layers)
    with pytest.raises(SelfCheckFailed, match="it takes"):
        model.load(trained[0], training.to_bytes(other), least_accuracy=0.0)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_keras_file_is_named(trained: tuple[Manifest, bytes], content: bytes) -> None:
    with pytest.raises(CorruptModel, match="Keras"):
        model.load(trained[0], content, least_accuracy=0.0)


def test_a_truncated_file_is_refused(trained: tuple[Manifest, bytes]) -> None:
    with pytest.raises(CorruptModel):
        model.load(trained[0], trained[1][: len(trained[1]) // 2], least_accuracy=0.0)


def test_an_archive_that_grows_when_unpacked_is_refused(trained: tuple[Manifest, bytes]) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("model.weights.h5", "w", force_zip64=True) as entry:
            for _ in range(257):
                entry.write(bytes(1024 * 1024))
    with pytest.raises(CorruptModel, match="unpacked"):
        model.load(trained[0], packed.getvalue(), least_accuracy=0.0)


def test_a_model_of_some_digits_is_judged_by_those() -> None:
    parts = data.split(SEED)
    network = training.build(SEED)
    low = parts.federated.only("01234")
    training.fit(network, low, epochs=4, batch_size=32, learning_rate=0.002, seed=SEED)
    content = training.to_bytes(network)
    manifest = replace(
        manifest_of(content, training.accuracy(network, parts.validation.only("01234"))),
        config={"digits": "01234"},
    )
    assert model.load(manifest, content, least_accuracy=0.5).manifest is manifest

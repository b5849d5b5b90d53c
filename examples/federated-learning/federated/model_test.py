import numpy as np
import pytest

from federated import data, model


@pytest.fixture(scope="module", autouse=True)
def configured() -> None:
    model.configure()


def trained(seed: int) -> list[np.ndarray]:
    network = model.build(seed)
    train, _ = data.site_data(0, 4, 0.5, "0123456789", 1)
    model.fit(network, train, epochs=1, batch_size=32, learning_rate=0.001, seed=seed)
    return network.get_weights()


def test_training_follows_from_the_seed_to_the_last_bit() -> None:
    assert model.digest(trained(3)) == model.digest(trained(3))
    assert model.digest(trained(3)) != model.digest(trained(4))


def test_a_saved_model_comes_back_with_the_same_weights_and_answers() -> None:
    network = model.build(1)
    again = model.from_bytes(model.to_bytes(network))
    assert model.digest(again.get_weights()) == model.digest(network.get_weights())
    images = data.split(1).test.images[:5]
    assert np.array_equal(
        network.predict(images, verbose=0), again.predict(images, verbose=0)
    )


def test_the_digest_tells_shape_and_type() -> None:
    flat = np.zeros(4, np.float32)
    assert model.digest([flat]) != model.digest([flat.reshape(2, 2)])
    assert model.digest([flat]) != model.digest([flat.astype(np.float64)])

import numpy as np
import pytest

from federated import data, model, transfer
from federated.config import TRANSFER_METHODS
from federated.store import CorruptModel, ModelRepository
from federated.store_test import FakeStore, version


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    model.configure()
    monkeypatch.setattr(transfer, "EPOCHS", 2)


def test_the_new_site_tests_on_images_that_nobody_trained_on() -> None:
    federated = {image.tobytes() for image in data.split(1).federated.images}
    scenario = transfer.new_classes_site(1)
    labelled = {image.tobytes() for image in scenario.labelled.images}
    test = {image.tobytes() for image in scenario.test.images}
    assert len(labelled) == transfer.LABELS
    assert not test & (labelled | federated)
    assert set(scenario.labelled.labels) == set(scenario.test.labels) == {5, 6, 7, 8, 9}


def test_the_noisy_site_has_all_digits_and_none_as_clean_as_the_federations() -> None:
    scenario = transfer.noisy_site(1)
    assert np.bincount(scenario.labelled.labels).tolist() == [5] * 10
    clean = {image.tobytes() for image in data.all_digits().images}
    assert not {image.tobytes() for image in scenario.test.images} & clean


def test_frozen_layers_stay_and_the_downloaded_model_is_not_changed() -> None:
    content = model.to_bytes(model.build(1))
    made = []

    def federated() -> object:
        made.append(model.from_bytes(content))
        return made[-1]

    results = transfer.compare(transfer.noisy_site(1), federated, 1)  # type: ignore[arg-type]
    assert tuple(results) == TRANSFER_METHODS
    original = model.from_bytes(content).get_weights()
    _, frozen, tuned = (network.get_weights() for network in made)  # type: ignore[attr-defined]
    assert all(np.array_equal(a, b) for a, b in zip(frozen[:-2], original[:-2], strict=True))
    assert not np.array_equal(frozen[-2], original[-2])
    assert not np.array_equal(tuned[0], original[0])


def test_a_model_that_was_tampered_with_is_not_used() -> None:
    store = FakeStore()
    repository = ModelRepository(store, "digits")
    repository.write(*version(1))
    store.objects["digits/v00001/model.keras"] = b"other"
    with pytest.raises(CorruptModel, match="sha256"):
        transfer.download(repository)
    with pytest.raises(CorruptModel, match="no model"):
        transfer.download(ModelRepository(store, "nothing"))

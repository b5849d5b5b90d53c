"""A new site downloads the federated model and goes on from there with a few labels of its own.

Two scenarios, the second to show where it does not help:
- noisy: the same ten digits through a worse camera;
- new-classes: a model that was federated on digits 0 to 4 only, a site that has 5 to 9.

Four ways, with the same labels, epochs and optimizer:
- zero-shot: the model as it is;
- scratch: a new network, nothing of the federation;
- frozen trunk: only the head is trained;
- fine-tune: everything is trained on.

    python -m federated.transfer --model digits-seed1 --partial-model digits-low-seed1 --seed 1

prints a line of JSON. Wanted: the environment of federated.store; a reader's keys are enough.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass

import keras

from federated import data, model
from federated.config import NEW_DIGITS, TRANSFER_METHODS
from federated.store import CorruptModel, ModelRepository, S3Store, StoreError

LABELS = 50
EPOCHS = 100
BATCH_SIZE = 10
LEARNING_RATE = 0.001


@dataclass(frozen=True)
class Scenario:
    name: str
    labelled: data.Samples
    test: data.Samples
    new_head: bool  # the old one never saw these classes


def noisy_site(seed: int) -> Scenario:
    parts = data.split(seed)
    labelled, rest = data.few_labels(parts.newcomer, LABELS, seed)
    test = data.join(rest, parts.test)
    return Scenario(
        "noisy", data.noisy(labelled, seed), data.noisy(test, seed), new_head=False
    )


def new_classes_site(seed: int) -> Scenario:
    parts = data.split(seed)
    labelled, rest = data.few_labels(parts.newcomer.only(NEW_DIGITS), LABELS, seed)
    test = data.join(rest, parts.test.only(NEW_DIGITS))
    return Scenario("new-classes", labelled, test, new_head=True)


def _new_head(network: keras.Model, seed: int) -> None:
    fresh = model.build(seed).get_layer(model.HEAD).get_weights()
    network.get_layer(model.HEAD).set_weights(fresh)


def _train(network: keras.Model, scenario: Scenario, seed: int) -> float:
    model.fit(
        network,
        scenario.labelled,
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
        seed=seed,
    )
    return model.accuracy(network, scenario.test)


def compare(scenario: Scenario, federated: Callable[[], keras.Model], seed: int) -> dict[str, float]:
    """Test accuracy of each of TRANSFER_METHODS; `federated` gives a fresh copy of the downloaded model."""
    fresh_seed = 10_007 + seed  # not the weights that the federation began with
    zero_shot, scratch, *retrained = TRANSFER_METHODS
    results = {zero_shot: model.accuracy(federated(), scenario.test)}
    results[scratch] = _train(model.build(fresh_seed), scenario, seed)
    for method in retrained:
        network = federated()
        if scenario.new_head:
            _new_head(network, fresh_seed)
        for layer in network.layers:
            layer.trainable = method == "fine-tune" or layer.name == model.HEAD
        results[method] = _train(network, scenario, seed)
    return results


def download(repository: ModelRepository) -> tuple[int, Callable[[], keras.Model]]:
    """The best version, checked against its manifest."""
    manifest = repository.best()
    if manifest is None:
        raise CorruptModel(f"the store has no model {repository.name}")
    content = repository.load(manifest)
    return manifest.version, lambda: model.from_bytes(content)


def run(store: S3Store, name: str, partial_name: str, seed: int) -> dict[str, object]:
    model.configure()
    version, federated = download(ModelRepository(store, name))
    partial_version, partial = download(ModelRepository(store, partial_name))
    return {
        "seed": seed,
        "versions": {name: version, partial_name: partial_version},
        "noisy": compare(noisy_site(seed), federated, seed),
        "new-classes": compare(new_classes_site(seed), partial, seed),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains on at a site with few labels")
    parser.add_argument("--model", required=True)
    parser.add_argument("--partial-model", required=True, help="federated on digits 0 to 4")
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    try:
        result = run(
            S3Store.from_environment(), arguments.model, arguments.partial_model, arguments.seed
        )
    except (StoreError, CorruptModel) as error:
        sys.exit(f"error: {error}")
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()

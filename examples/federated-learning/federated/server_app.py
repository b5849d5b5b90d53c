"""What runs beside the SuperLink: the rounds, each saved to the store before the next begins.

A ServerApp that died is simply run again with the same settings: it goes on after the last version
that the store has.
"""

import hashlib
import json
import logging
import os
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from flwr.app import ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp

from federated import data, model, strategy
from federated.config import EVENT_MARK, RunConfig
from federated.store import Manifest, ModelRepository, Publisher, S3Store

app = ServerApp()

# The store may be away that long before a start or an end is given up.
STORE_PATIENCE = 300.0
# After so many rounds in a row without enough usable replies nothing is to be hoped for.
MAX_LOST_ROUNDS = 3


def emit(event: str, **values: object) -> None:
    print(EVENT_MARK + json.dumps({"event": event, **values}), flush=True)


class Recorder:
    """Called by Flower with the global model after each round: evaluates, marks and saves it."""

    def __init__(
        self, config: RunConfig, publisher: Publisher, rounds: strategy.Screened, first_round: int
    ) -> None:
        self._config = config
        self._publisher = publisher
        self._strategy = rounds
        self._first_round = first_round
        self._validation = data.split(config.seed).validation.only(config.digits)
        self._network = model.build(config.seed)
        self._began = time.monotonic()
        self._lost = 0

    def __call__(self, flower_round: int, arrays: ArrayRecord) -> MetricRecord | None:
        if flower_round == 0 and self._first_round > 1:
            return None  # it was saved before the resume
        version = flower_round + self._first_round - 1
        weights = arrays.to_numpy_ndarrays()
        self._network.set_weights(weights)
        accuracy = model.accuracy(self._network, self._validation)
        content = model.to_bytes(self._network)
        log = self._strategy.log
        sites = {name: dict(values) for name, values in log.sites.items()}
        for name, value in self._strategy.final_accuracy.items():
            sites.setdefault(name, {})["final"] = value
        manifest = Manifest(
            name=self._config.name,
            version=version,
            fingerprint=self._config.fingerprint(),
            config=asdict(self._config),
            accuracy=accuracy,
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
            weights_sha256=model.digest(weights),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            sites=sites,
            expected=log.expected,
            missing=log.missing,
            rejected=log.rejected,
            aggregated=log.aggregated or version == 0,
        )
        stored = self._publisher.publish(manifest, content)
        now = time.monotonic()
        emit(
            "round",
            round=version,
            rounds=self._config.rounds,
            accuracy=round(accuracy, 4),
            sites=len(log.sites),
            expected=len(log.expected),
            missing=log.missing,
            rejected=log.rejected,
            aggregated=manifest.aggregated,
            stored=stored,
            seconds=round(now - self._began, 1),
        )
        self._began = now
        self._give_up_if_hopeless(manifest)
        return MetricRecord({"accuracy": accuracy})

    def _give_up_if_hopeless(self, manifest: Manifest) -> None:
        self._lost = 0 if manifest.aggregated else self._lost + 1
        if self._lost >= MAX_LOST_ROUNDS:
            raise RuntimeError(
                f"{self._lost} rounds in a row had fewer than {self._config.min_replies} usable "
                f"replies; the last: missing {manifest.missing}, rejected {manifest.rejected}"
            )


@app.main()
def main(grid: Grid, context: Context) -> None:
    # Not from INFO on: httpx tells of each request there, and each line of log is sent by one more.
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    config = RunConfig.from_flower(context.run_config)
    model.configure()
    repository = ModelRepository(S3Store.from_environment(), config.name)
    publisher = Publisher(repository, Path(os.environ["FEDERATED_SPOOL"]))
    network = model.build(config.seed)
    first_round = 1
    latest = publisher.latest(STORE_PATIENCE)
    if latest is not None:
        manifest, content = latest
        if manifest.fingerprint != config.fingerprint():
            raise RuntimeError(
                f"the store's {config.name} was trained with other settings "
                f"({manifest.config}): choose another name"
            )
        network = model.from_bytes(content)
        first_round = manifest.version + 1
    emit("start", name=config.name, first_round=first_round, rounds=config.rounds)
    if first_round <= config.rounds:
        weights = network.get_weights()
        rounds = strategy.make(config, first_round=first_round, reference=weights)
        rounds.start(
            grid=grid,
            initial_arrays=ArrayRecord(weights),
            num_rounds=config.rounds - first_round + 1,
            timeout=config.round_timeout,
            evaluate_fn=Recorder(config, publisher, rounds, first_round),
        )
    publisher.flush(STORE_PATIENCE)
    emit("end", name=config.name)

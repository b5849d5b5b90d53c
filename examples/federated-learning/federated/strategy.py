"""Flower's strategies, given only replies that can be used.

Flower aggregates whatever arrives and goes on when replies are missing. Here every reply is looked at
first, and what was missing or refused is counted and named.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg, FedMedian, FedTrimmedAvg, Krum
from numpy.typing import NDArray

from federated.config import RunConfig

# The number of examples is a weight that the site itself names: one site must not outvote all.
MAX_EXAMPLES = 10_000
METRICS = ("num-examples", "before", "after", "loss")


class BadReply(Exception):
    """Why a reply cannot be used."""


@dataclass
class RoundLog:
    """What became of the sites in one round."""

    expected: list[str] = field(default_factory=list)
    sites: dict[str, dict[str, float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)
    aggregated: bool = False


def check_weights(arrays: Sequence[NDArray[Any]], reference: Sequence[NDArray[Any]]) -> None:
    if len(arrays) != len(reference):
        raise BadReply(f"{len(arrays)} arrays instead of {len(reference)}")
    for number, (array, wanted) in enumerate(zip(arrays, reference, strict=True)):
        if array.shape != wanted.shape:
            raise BadReply(f"array {number} has shape {array.shape} instead of {wanted.shape}")
        if array.dtype != wanted.dtype:
            raise BadReply(f"array {number} is of {array.dtype} instead of {wanted.dtype}")
        if not np.isfinite(array).all():
            raise BadReply(f"array {number} holds NaN or infinity")


def check_metrics(metrics: MetricRecord) -> dict[str, float]:
    values: dict[str, float] = {}
    for key in METRICS:
        value = metrics.get(key)
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise BadReply(f"metric {key} is {value!r}")
        values[key] = float(value)
    if set(metrics) != set(METRICS):
        raise BadReply(f"metrics are {', '.join(sorted(metrics))}")
    if not 0 < values["num-examples"] <= MAX_EXAMPLES:
        raise BadReply(f"num-examples is {values['num-examples']:g}, not 1 to {MAX_EXAMPLES}")
    return values


def check_reply(
    message: Message, key: str, reference: Sequence[NDArray[Any]]
) -> dict[str, float]:
    """The reply's metrics, or BadReply."""
    arrays = message.content.array_records
    metrics = message.content.metric_records
    if set(arrays) != {key} or len(metrics) != 1:
        raise BadReply(f"it holds arrays {sorted(arrays)} and metrics {sorted(metrics)}")
    try:
        decoded = arrays[key].to_numpy_ndarrays()
    except Exception as error:  # it is the site's bytes that are decoded
        raise BadReply(f"its arrays cannot be read: {error}") from error
    check_weights(decoded, reference)
    return check_metrics(next(iter(metrics.values())))


class Screened:
    """Comes before one of Flower's strategies in the order of bases.

    `first_round` is the number of the round that Flower counts as 1: more than that after a resume.
    """

    arrayrecord_key: str

    def __init__(
        self,
        *,
        first_round: int,
        last_round: int,
        reference: Sequence[NDArray[Any]],
        min_replies: int,
        **flower: Any,
    ) -> None:
        super().__init__(**flower)
        self._offset = first_round - 1
        self._last_round = last_round
        self._reference = [np.asarray(array) for array in reference]
        self._min_replies = min_replies
        self._names: dict[int, str] = {}
        self.log = RoundLog()
        self.final_accuracy: dict[str, float] = {}

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        messages = list(
            super().configure_train(server_round + self._offset, arrays, config, grid)  # type: ignore[misc]
        )
        self._learn_names(grid)
        self.log = RoundLog(
            expected=sorted(self._name(message.metadata.dst_node_id) for message in messages)
        )
        return messages

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        usable: list[tuple[str, Message]] = []
        errors: dict[str, str] = {}
        for message in replies:
            name = self._name(message.metadata.src_node_id)
            if message.has_error():
                errors[name] = message.error.reason
                continue
            try:
                self.log.sites[name] = check_reply(message, self.arrayrecord_key, self._reference)
                usable.append((name, message))
            except BadReply as error:
                self.log.rejected[name] = str(error)
        for name in self.log.expected:
            if name not in self.log.sites and name not in self.log.rejected:
                self.log.missing[name] = errors.get(name, "no reply")
        if len(usable) < self._min_replies:
            return None, None
        # Always in the same order: sums of floating point numbers depend on it.
        usable.sort(key=lambda item: item[0])
        arrays, metrics = super().aggregate_train(  # type: ignore[misc]
            server_round + self._offset, [message for _, message in usable]
        )
        self.log.aggregated = arrays is not None
        return arrays, metrics

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Only after the last round: before, each site evaluates what it is sent to train on."""
        if server_round + self._offset < self._last_round:
            return []
        return super().configure_evaluate(server_round + self._offset, arrays, config, grid)  # type: ignore[misc, no-any-return]

    def aggregate_evaluate(
        self, server_round: int, replies: Iterable[Message]
    ) -> MetricRecord | None:
        for message in replies:
            if message.has_error():
                continue
            for metrics in message.content.metric_records.values():
                value = metrics.get("accuracy")
                if isinstance(value, float) and math.isfinite(value):
                    self.final_accuracy[self._name(message.metadata.src_node_id)] = value
        return None

    def _learn_names(self, grid: Grid) -> None:
        """The names under which the SuperNodes' keys were registered; a reply cannot choose one."""
        get_nodes: Callable[[], Iterable[Any]] | None = getattr(grid, "get_nodes", None)
        if get_nodes is not None:
            self._names = {node.node_id: node.name for node in get_nodes() if node.name}

    def _name(self, node_id: int) -> str:
        return self._names.get(node_id, f"node-{node_id}")


class ScreenedFedAvg(Screened, FedAvg):
    """The mean, weighted by examples."""


class ScreenedMedian(Screened, FedMedian):
    """The median of each weight."""


class ScreenedTrimmed(Screened, FedTrimmedAvg):
    """The mean of each weight without its extremes."""


class ScreenedKrum(Screened, Krum):
    """The one reply that lies closest to the others."""


def make(
    config: RunConfig, *, first_round: int, reference: Sequence[NDArray[Any]]
) -> ScreenedFedAvg | ScreenedMedian | ScreenedTrimmed | ScreenedKrum:
    common: dict[str, Any] = {
        "first_round": first_round,
        "last_round": config.rounds,
        "reference": reference,
        "min_replies": config.min_replies,
        "min_available_nodes": config.min_replies,
        "min_train_nodes": config.min_replies,
        "min_evaluate_nodes": config.min_replies,
    }
    if config.strategy == "median":
        return ScreenedMedian(**common)
    if config.strategy == "trimmed":
        # A quarter from each end: of four sites the lowest and the highest.
        return ScreenedTrimmed(beta=0.25, **common)
    if config.strategy == "krum":
        return ScreenedKrum(num_malicious_nodes=max(1, (config.sites - 3) // 2), **common)
    return ScreenedFedAvg(**common)

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict

from federated import strategy
from federated.config import RunConfig

REFERENCE = [np.zeros((2, 3), np.float32), np.zeros(3, np.float32)]


@dataclass
class Node:
    node_id: int
    name: str


class FakeGrid:
    def __init__(self, count: int = 4) -> None:
        self.nodes = [Node(100 + n, f"site-{n}") for n in range(count)]

    def get_node_ids(self) -> list[int]:
        return [node.node_id for node in self.nodes]

    def get_nodes(self) -> list[Node]:
        return self.nodes


def weights(value: float) -> list[np.ndarray]:
    return [np.full_like(array, value) for array in REFERENCE]


def reply(
    to: Message, arrays: list[np.ndarray], examples: float = 10, **metrics: Any
) -> Message:
    values = {"num-examples": examples, "before": 0.5, "after": 0.6, "loss": 0.1, **metrics}
    content = RecordDict({"arrays": ArrayRecord(arrays), "metrics": MetricRecord(values)})
    return answer(to, content)


def answer(to: Message, content: RecordDict | Error) -> Message:
    message = Message(content, reply_to=to)
    message.metadata.__dict__["_src_node_id"] = to.metadata.dst_node_id
    return message


def start(
    name: str = "fedavg", first_round: int = 1, sites: int = 4, min_replies: int = 2
) -> tuple[Any, dict[str, Message]]:
    """A strategy that has sent out a round, and what each site was sent."""
    config = RunConfig(strategy=name, sites=sites, min_replies=min_replies)
    made = strategy.make(config, first_round=first_round, reference=REFERENCE)
    grid = FakeGrid(sites)
    names = {node.node_id: node.name for node in grid.nodes}
    sent = made.configure_train(1, ArrayRecord(REFERENCE), ConfigRecord(), grid)  # type: ignore[arg-type]
    return made, {names[message.metadata.dst_node_id]: message for message in sent}


def aggregate(made: Any, replies: list[Message]) -> list[np.ndarray] | None:
    arrays, _ = made.aggregate_train(1, replies)
    return None if arrays is None else arrays.to_numpy_ndarrays()


def test_fedavg_weighs_by_examples() -> None:
    made, sent = start()
    result = aggregate(
        made, [reply(sent["site-0"], weights(1.0), 30), reply(sent["site-1"], weights(5.0), 10)]
    )
    assert result is not None
    assert result[0] == pytest.approx(2.0)
    assert made.log.aggregated


@pytest.mark.parametrize("name", ["median", "trimmed", "krum"])
def test_robust_strategies_withstand_a_site_that_lies(name: str) -> None:
    made, sent = start(name)
    values = {"site-0": 1.0, "site-1": 1.1, "site-2": 0.9, "site-3": 1e6}
    result = aggregate(made, [reply(sent[site], weights(value)) for site, value in values.items()])
    assert result is not None
    assert 0.9 <= result[0].min() <= result[0].max() <= 1.1


def test_fedavg_does_not_withstand_it() -> None:
    made, sent = start("fedavg")
    values = {"site-0": 1.0, "site-1": 1.1, "site-2": 0.9, "site-3": 1e6}
    result = aggregate(made, [reply(sent[site], weights(value)) for site, value in values.items()])
    assert result is not None
    assert result[0].min() > 1e5


def not_a_number() -> list[np.ndarray]:
    bad = weights(1.0)
    bad[1][2] = np.nan
    return bad


def infinite() -> list[np.ndarray]:
    bad = weights(1.0)
    bad[0][0, 0] = np.inf
    return bad


@pytest.mark.parametrize("name", ["fedavg", "median", "trimmed", "krum"])
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (not_a_number(), "NaN"),
        (infinite(), "infinity"),
        ([np.ones((3, 2), np.float32), np.ones(3, np.float32)], "shape"),
        ([np.ones((2, 3), np.float32)], "1 arrays instead of 2"),
        ([*weights(1.0), np.ones(1, np.float32)], "3 arrays instead of 2"),
        ([np.ones((2, 3), np.float64), np.ones(3, np.float32)], "float64"),
    ],
)
def test_corrupt_weights_are_rejected_and_reported(
    name: str, bad: list[np.ndarray], reason: str
) -> None:
    made, sent = start(name)
    replies = [reply(sent[f"site-{n}"], weights(1.0)) for n in range(3)]
    result = aggregate(made, [reply(sent["site-3"], bad), *replies])
    assert result is not None
    assert result[0] == pytest.approx(1.0)
    assert list(made.log.rejected) == ["site-3"]
    assert reason in made.log.rejected["site-3"]
    assert made.log.missing == {}
    assert sorted(made.log.sites) == ["site-0", "site-1", "site-2"]


@pytest.mark.parametrize(
    "examples", [0, -5, float("nan"), float("inf"), strategy.MAX_EXAMPLES + 1]
)
def test_a_site_cannot_give_itself_any_weight(examples: float) -> None:
    made, sent = start()
    aggregate(
        made,
        [
            reply(sent["site-0"], weights(9.0), examples),
            reply(sent["site-1"], weights(1.0)),
            reply(sent["site-2"], weights(1.0)),
        ],
    )
    assert list(made.log.rejected) == ["site-0"]


def test_other_metrics_than_agreed_are_rejected() -> None:
    made, sent = start()
    aggregate(
        made,
        [
            reply(sent["site-0"], weights(1.0), extra=1.0),
            reply(sent["site-1"], weights(1.0), loss=float("nan")),
            answer(sent["site-2"], RecordDict({"arrays": ArrayRecord(weights(1.0))})),
            answer(
                sent["site-3"],
                RecordDict({"other": ArrayRecord(weights(1.0)), "m": MetricRecord({"loss": 1.0})}),
            ),
        ],
    )
    assert sorted(made.log.rejected) == ["site-0", "site-1", "site-2", "site-3"]
    assert not made.log.aggregated


def test_missing_replies_are_counted_and_named() -> None:
    made, sent = start()
    result = aggregate(
        made,
        [
            reply(sent["site-0"], weights(1.0)),
            reply(sent["site-1"], weights(1.0)),
            answer(sent["site-2"], Error(code=1, reason="ClientApp raised")),
        ],
    )
    assert result is not None
    assert made.log.expected == ["site-0", "site-1", "site-2", "site-3"]
    assert made.log.missing == {"site-2": "ClientApp raised", "site-3": "no reply"}


def test_too_few_usable_replies_change_nothing() -> None:
    made, sent = start(min_replies=3)
    result = aggregate(
        made,
        [
            reply(sent["site-0"], weights(1.0)),
            reply(sent["site-1"], weights(1.0)),
            reply(sent["site-2"], not_a_number()),
        ],
    )
    assert result is None
    assert not made.log.aggregated


def test_the_order_of_replies_does_not_matter_to_the_last_bit() -> None:
    generator = np.random.default_rng(1)
    values = [
        [generator.normal(size=array.shape).astype(np.float32) for array in REFERENCE]
        for _ in range(4)
    ]
    results = []
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        made, sent = start()
        result = aggregate(made, [reply(sent[f"site-{n}"], values[n], 7 + n) for n in order])
        assert result is not None
        results.append(result)
    for first, second in zip(*results, strict=True):
        assert first.tobytes() == second.tobytes()


def test_sites_are_told_the_round_of_the_whole_training_after_a_resume() -> None:
    _, sent = start(first_round=6)
    assert {message.content["config"]["server-round"] for message in sent.values()} == {6}


def test_sites_evaluate_apart_only_after_the_last_round() -> None:
    config = RunConfig(rounds=7)
    made = strategy.make(config, first_round=6, reference=REFERENCE)
    grid: Any = FakeGrid()
    assert list(made.configure_evaluate(1, ArrayRecord(REFERENCE), ConfigRecord(), grid)) == []
    last = list(made.configure_evaluate(2, ArrayRecord(REFERENCE), ConfigRecord(), grid))
    assert len(last) == 4
    made._learn_names(grid)
    metrics = MetricRecord({"num-examples": 5, "accuracy": 0.75})
    made.aggregate_evaluate(2, [answer(last[0], RecordDict({"metrics": metrics}))])
    name = {node.node_id: node.name for node in grid.nodes}[last[0].metadata.dst_node_id]
    assert made.final_accuracy == {name: 0.75}

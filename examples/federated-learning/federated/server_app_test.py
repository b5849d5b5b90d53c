"""ServerApp and ClientApp together, without Flower's processes: a grid that calls the ClientApp."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Context, Message, RecordDict

from federated import client_app, driver, server_app
from federated.config import EVENT_MARK, RunConfig
from federated.store import ModelRepository, S3Store
from federated.store_test import FakeStore
from federated.strategy_test import Node

CONFIG = RunConfig(name="digits", sites=3, rounds=3, epochs=1)


class LocalGrid:
    """Sites in this process. `silent` ones do not answer, `misbehave` says who sends what."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self.nodes = [Node(100 + n, f"site-{n}") for n in range(config.sites)]
        self.silent: set[str] = set()
        self.misbehave: dict[str, str] = {}
        self.store_goes_away_in_round: int | None = None
        self.store: FakeStore | None = None

    def get_node_ids(self) -> list[int]:
        return [node.node_id for node in self.nodes]

    def get_nodes(self) -> list[Node]:
        return self.nodes

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        return [reply for message in messages if (reply := self._ask(message)) is not None]

    def _ask(self, message: Message) -> Message | None:
        number = message.metadata.dst_node_id - 100
        name = self.nodes[number].name
        if self.store is not None and "config" in message.content:
            current = int(message.content["config"]["server-round"])
            self.store.away = current == self.store_goes_away_in_round
        if name in self.silent:
            return None
        settings: dict[str, Any] = {"site": number}
        if name in self.misbehave:
            settings["misbehave"] = self.misbehave[name]
        reply: Message = client_app.app(message, context(self._config, settings))
        reply.metadata.__dict__["_src_node_id"] = message.metadata.dst_node_id
        return reply


def context(config: RunConfig, node_config: dict[str, Any] | None = None) -> Context:
    from flwr.common.config import parse_config_args

    return Context(
        run_id=1,
        node_id=1,
        node_config=node_config or {},
        state=RecordDict(),
        run_config=parse_config_args([config.to_flower()]),
    )


class Server:
    """A ServerApp that can be run again on the same store."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = FakeStore()
        monkeypatch.setenv("FEDERATED_SPOOL", str(folder))
        monkeypatch.setattr(S3Store, "from_environment", lambda: self.store)
        monkeypatch.setattr(server_app, "STORE_PATIENCE", 0.0)

    def run(self, config: RunConfig = CONFIG, grid: LocalGrid | None = None) -> ModelRepository:
        server_app.app(grid or LocalGrid(config), context(config))  # type: ignore[arg-type]
        return ModelRepository(self.store, config.name)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(tmp_path, monkeypatch)


def events(text: str) -> list[dict[str, Any]]:
    return [
        json.loads(line[len(EVENT_MARK) :])
        for line in text.splitlines()
        if line.startswith(EVENT_MARK)
    ]


def test_every_round_is_a_version_and_a_resume_equals_a_training_without_a_break(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from dataclasses import replace

    whole = server.run()
    assert whole.versions() == [0, 1, 2, 3]
    last = whole.manifest(3)
    assert sorted(last.sites) == ["site-0", "site-1", "site-2"]
    assert "final" in last.sites["site-0"]
    assert last.accuracy > whole.manifest(0).accuracy

    broken = Server(tmp_path / "other", monkeypatch)
    broken.run(replace(CONFIG, rounds=1))
    repository = broken.run()
    assert repository.versions() == [0, 1, 2, 3]
    for version in range(4):
        assert (
            repository.manifest(version).weights_sha256 == whole.manifest(version).weights_sha256
        )
    starts = [event for event in events(capfd.readouterr().out) if event["event"] == "start"]
    assert [event["first_round"] for event in starts] == [1, 1, 2]


def test_a_finished_training_is_left_alone(server: Server) -> None:
    server.run()
    before = dict(server.store.objects)
    server.run()
    assert server.store.objects == before


def test_other_settings_under_the_same_name_are_refused(server: Server) -> None:
    from dataclasses import replace

    server.run(replace(CONFIG, rounds=1))
    with pytest.raises(RuntimeError, match="choose another name"):
        server.run(replace(CONFIG, seed=2))


def test_a_silent_site_and_a_corrupt_one_are_named_and_the_rest_goes_on(
    server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    config = RunConfig(name="digits", sites=4, rounds=1, epochs=1)
    grid = LocalGrid(config)
    grid.silent = {"site-0"}
    grid.misbehave = {"site-1": "nan"}
    manifest = server.run(config, grid).manifest(1)
    assert manifest.aggregated
    assert manifest.missing == {"site-0": "no reply"}
    assert "NaN" in manifest.rejected["site-1"]
    # It may still say how the final model does on its images; it trained nothing.
    trained = [name for name, values in manifest.sites.items() if "num-examples" in values]
    assert sorted(trained) == ["site-2", "site-3"]
    told = driver.describe(events(capfd.readouterr().out)[-2])
    assert "missing site-0: no reply" in told
    assert "rejected site-1" in told


def test_rounds_that_cannot_be_aggregated_end_the_run(server: Server) -> None:
    config = RunConfig(name="digits", sites=2, rounds=9, epochs=1)
    grid = LocalGrid(config)
    grid.misbehave = {"site-0": "shape", "site-1": "nan"}
    with pytest.raises(RuntimeError, match="3 rounds in a row"):
        server.run(config, grid)
    repository = ModelRepository(server.store, "digits")
    assert repository.versions() == [0, 1, 2, 3]
    assert not repository.manifest(3).aggregated
    assert repository.manifest(3).weights_sha256 == repository.manifest(0).weights_sha256


def test_a_store_that_is_away_in_a_round_is_caught_up_with(
    server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    grid = LocalGrid(CONFIG)
    grid.store = server.store
    grid.store_goes_away_in_round = 2
    repository = server.run(grid=grid)
    assert repository.versions() == [0, 1, 2, 3]
    rounds = [event for event in events(capfd.readouterr().out) if event["event"] == "round"]
    assert [event["stored"] for event in rounds] == [True, True, False, True]

"""Whole federations on loopback, with Flower's own processes, in which things die."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from federated import local
from federated.config import RunConfig
from federated.driver import Event
from federated.store import ModelRepository

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not (os.environ.get("VERSITYGW") or shutil.which("versitygw")),
        reason="versitygw is not here: test.sh builds it",
    ),
]

CONFIG = RunConfig(name="digits", sites=3, rounds=4, epochs=1, round_timeout=90)


def at_round(number: int, action: Callable[[], None]) -> Callable[[Event], None]:
    """Does it once, when that round is over."""
    done = []

    def on_event(event: Event) -> None:
        if event["event"] == "round" and event["round"] == number and not done:
            done.append(True)
            action()

    return on_event


def manifests(running: local.Federation, name: str) -> ModelRepository:
    return ModelRepository(running.store(), name)


def test_goes_on_after_the_superlink_is_killed(tmp_path: Path) -> None:
    starts: list[int] = []
    with local.federation(tmp_path, CONFIG.sites) as running:
        kill = at_round(2, lambda: running.supervisor.kill("superlink"))

        def on_event(event: Event) -> None:
            if event["event"] == "start":
                starts.append(event["first_round"])
            kill(event)

        running.federate(CONFIG, on_event)
        repository = manifests(running, CONFIG.name)
        assert repository.versions() == [0, 1, 2, 3, 4]
        assert repository.manifest(4).aggregated
        assert running.supervisor.starts("superlink") == 2
    # Not from the beginning.
    assert len(starts) >= 2
    assert starts[0] == 1
    assert min(starts[1:]) >= 3


def test_goes_on_without_a_site_that_is_killed_and_takes_it_back(tmp_path: Path) -> None:
    config = RunConfig(name="digits", sites=3, rounds=8, epochs=1, round_timeout=90)
    with local.federation(tmp_path, config.sites) as running:
        victim = running.sites[-1]
        running.federate(config, at_round(1, lambda: running.supervisor.kill(victim)))
        repository = manifests(running, config.name)
        assert repository.versions() == list(range(9))
        took_part = [
            "num-examples" in repository.manifest(version).sites.get(victim, {})
            for version in range(1, 9)
        ]
        assert took_part[0]
        assert not all(took_part)
        assert took_part[-1]
        lost = repository.manifest(1 + took_part.index(False))
        assert lost.aggregated
        assert len(lost.sites) == 2


def test_outlives_a_store_that_is_away_and_a_site_that_sends_rubbish(tmp_path: Path) -> None:
    stored: dict[int, bool] = {}
    config = RunConfig(name="digits", sites=3, rounds=4, epochs=1)
    with local.federation(tmp_path, config.sites, {"edge-b-01": "nan"}) as running:
        stop = at_round(1, lambda: running.supervisor.stop("store"))
        resume = at_round(2, lambda: running.supervisor.resume("store"))

        def on_event(event: Event) -> None:
            if event["event"] == "round":
                stored[event["round"]] = event["stored"]
            stop(event)
            resume(event)

        running.federate(config, on_event)
        repository = manifests(running, config.name)
        assert repository.versions() == [0, 1, 2, 3, 4]
        for version in range(1, 5):
            assert "NaN" in repository.manifest(version).rejected["edge-b-01"]
    assert stored[1]
    assert not stored[2]
    assert stored[4]


def test_sites_reach_fleet_only_and_only_with_a_registered_key(tmp_path: Path) -> None:
    with local.federation(tmp_path, 2) as running:
        for path in ("/v1/control/list-nodes", "/v1/control/start-run", "/v1/runtime/acquire-task"):
            answer = httpx.post(
                f"https://{running.gate}{path}", verify=str(running.ca), trust_env=False
            )
            assert answer.status_code == 404
        unsigned = httpx.post(
            f"https://{running.gate}/v1/fleet/pull-messages",
            headers={"content-type": "application/protobuf"},
            verify=str(running.ca),
            trust_env=False,
        )
        assert unsigned.status_code == 401
        stranger = tmp_path / "stranger"
        from federated import identity

        identity.ensure_site(stranger, "stranger")
        home = tmp_path / "home" / "stranger"
        home.mkdir(parents=True)
        output = tmp_path / "stranger.log"
        with open(output, "wb") as log:
            process = subprocess.Popen(
                [
                    *("flower-supernode", "--superlink", running.gate),
                    *("--root-certificates", str(running.ca)),
                    *("--auth-supernode-private-key", str(stranger / "sites" / "stranger.key")),
                    *("--host", "127.0.0.1", "--port", str(local._free_ports(1)[0])),
                    *("--node-config", "site=0"),
                ],
                env=local.flower_environment(home),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            assert process.wait(120) != 0
        finally:
            # Its children outlive it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        assert "Failed to activate SuperNode" in output.read_text(), output.read_text()
        assert running.control.online() == 2

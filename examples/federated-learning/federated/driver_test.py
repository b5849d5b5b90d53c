import os
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from federated import driver
from federated.config import RunConfig
from federated.driver import Control, DriverError
from federated.store import ModelRepository
from federated.store_test import FakeStore, version

CONFIG = RunConfig(rounds=2)
# Stands for Flower's command: notes its arguments, answers from files.
FLWR = """#!/bin/sh
printf '%s\\n' "$*" >>"$FLWR_HOME/calls"
case $1-$2 in
  supernode-register) cat "$FLWR_HOME/register" ;;
  supernode-list) echo '{"success": true, "nodes": [{"status": "online"}, {"status": "online"}]}' ;;
  list-*) echo '{"success": true, "runs": [{"run-id": "7", "status": "running"},
                {"run-id": "6", "status": "finished:failed"}]}' ;;
  run-*) . "$FLWR_HOME/run" ;;
esac
"""


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Control:
    program = tmp_path / "bin" / "flwr"
    program.parent.mkdir()
    program.write_text(FLWR)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(driver.time, "sleep", lambda _: None)
    (tmp_path / "ca.crt").touch()
    return Control(tmp_path / "app", "127.0.0.1:1", tmp_path / "ca.crt", tmp_path / "home")


def calls(folder: Path) -> list[str]:
    return (folder / "home" / "calls").read_text().splitlines()


def finished(config: RunConfig) -> ModelRepository:
    repository = ModelRepository(FakeStore(), config.name)
    manifest, content = version(config.rounds)
    repository.write(
        replace(manifest, name=config.name, fingerprint=config.fingerprint()), content
    )
    return repository


def test_a_finished_training_is_not_run(control: Control, tmp_path: Path) -> None:
    driver.federate(control, finished(CONFIG), CONFIG, lambda _: None, lambda _: None)
    assert not (tmp_path / "home" / "calls").exists()


def test_a_run_that_ends_early_is_run_again_after_stopping_what_is_left(
    control: Control, tmp_path: Path
) -> None:
    repository = ModelRepository(FakeStore(), CONFIG.name)
    (tmp_path / "home" / "run").write_text(
        "echo 'FEDERATED {\"event\": \"start\", \"name\": \"digits\"}'; echo other\n"
    )
    events: list[driver.Event] = []
    lines: list[str] = []

    def on_event(event: driver.Event) -> None:
        events.append(event)
        if len(events) == 3:  # of the second run
            manifest, content = version(CONFIG.rounds)
            repository.write(replace(manifest, fingerprint=CONFIG.fingerprint()), content)

    driver.federate(control, repository, CONFIG, on_event, lines.append)
    assert [event["event"] for event in events] == ["start", "again", "start"]
    assert lines.count("other") == 2
    assert [call for call in calls(tmp_path) if call.startswith("stop")] == ["stop 7"] * 2


@pytest.mark.parametrize(
    "words", ["RuntimeError: no sites", "╭─ Error ─╮\n│ There are no sites.  │\n╰─────╯"]
)
def test_gives_up_after_some_runs_and_tells_the_reason(
    control: Control, tmp_path: Path, words: str
) -> None:
    (tmp_path / "home" / "run").write_text(f"echo '{words}'\n")
    with pytest.raises(DriverError, match="no sites"):
        driver.federate(
            control,
            ModelRepository(FakeStore(), CONFIG.name),
            CONFIG,
            lambda _: None,
            lambda _: None,
        )
    assert sum(call.startswith("run") for call in calls(tmp_path)) == driver.MAX_ATTEMPTS


def test_other_settings_in_the_store_end_it_at_once(control: Control) -> None:
    with pytest.raises(DriverError, match="choose another name"):
        driver.federate(
            control,
            finished(replace(CONFIG, seed=9)),
            CONFIG,
            lambda _: None,
            lambda _: None,
        )


def test_registering_twice_is_no_error_but_another_refusal_is(
    control: Control, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "edge-a-01.pub").touch()
    answer = tmp_path / "home" / "register"
    answer.write_text('{"success": false, "error-message": "The public key is already in use."}')
    assert driver.register_all(control, keys) == 1
    assert calls(tmp_path)[0].endswith("--name edge-a-01 --format json")
    answer.write_text('{"success": false, "error-message": "not a key"}')
    with pytest.raises(DriverError, match="not a key"):
        driver.register_all(control, keys)


def test_settings_are_json_and_known() -> None:
    config = driver.parse_settings(RunConfig(), ["seed=5", 'strategy="median"', "batch-size=8"])
    assert (config.seed, config.strategy, config.batch_size) == (5, "median", 8)
    with pytest.raises(ValueError, match="colour"):
        driver.parse_settings(RunConfig(), ["colour=1"])
    # A training goes on only with its own settings.
    whole = driver.parse_settings(RunConfig(), ["alpha=1"])
    assert whole.fingerprint() == RunConfig(alpha=1.0).fingerprint()


def test_a_new_driver_ends_one_that_was_left_behind(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from federated.driver import only_driver\n"
        "with only_driver(Path(sys.argv[1])):\n"
        "    print('holds', flush=True)\n"
        "    time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(driver.__file__).parents[1])},
        stdout=subprocess.PIPE,
        text=True,
    ) as left_behind:
        assert left_behind.stdout is not None
        assert left_behind.stdout.readline() == "holds\n"
        with driver.only_driver(tmp_path):
            assert left_behind.wait(timeout=10) == -signal.SIGTERM
            assert (tmp_path / "driver.pid").read_text() == str(os.getpid())

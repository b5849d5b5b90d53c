import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from federated import local
from federated.config import RunConfig

RUN = Path(__file__).resolve().parents[1] / "run.sh"


def test_options_reach_the_settings_of_the_run() -> None:
    words = "--sites 6 --alpha 0.3 --rounds 7 --epochs 2 --learning-rate 0.01 --strategy median --round-timeout 900"
    arguments = local.parse_arguments(["--output", "/nowhere", *words.split()])
    assert local.run_config(arguments) == RunConfig(
        sites=6,
        alpha=0.3,
        rounds=7,
        epochs=2,
        learning_rate=0.01,
        strategy="median",
        round_timeout=900,
    )


def test_without_options_the_settings_are_the_defaults() -> None:
    assert local.run_config(local.parse_arguments(["--output", "/nowhere"])) == RunConfig()


def test_a_site_cannot_misbehave_in_an_unknown_way(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        local.parse_arguments(["--output", "/nowhere", "--misbehave", "edge-a-01=sulk"])
    assert "use SITE=KIND" in capsys.readouterr().err


def test_no_seed_is_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        local.parse_arguments(["--output", "/nowhere", "--seeds", "0"])
    assert "--seeds 0: use 1 or more" in capsys.readouterr().err


def test_a_seed_that_is_finished_is_not_begun_again(tmp_path: Path) -> None:
    config = RunConfig(name="digits-fedavg-seed3", seed=3)
    assert local.kept_result(tmp_path, config) is None
    result = {"config": asdict(config), "federated": 0.97}
    local.keep_result(tmp_path, config, result)
    assert local.kept_result(tmp_path, config) == result
    assert local.kept_result(tmp_path, replace(config, round_timeout=900)) == result
    for other in (replace(config, rounds=config.rounds + 1), replace(config, alpha=9.0)):
        assert local.kept_result(tmp_path, other) is None


def test_the_help_has_every_option_to_the_last() -> None:
    text = subprocess.run([RUN, "--help"], capture_output=True, text=True, check=True).stdout
    for option in ("--seed", "--seeds", "--round-timeout", "--misbehave", "--state", "--clean"):
        assert f"  {option} " in text
    assert "set -euo" not in text

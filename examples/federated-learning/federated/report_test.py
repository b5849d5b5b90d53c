import copy
import json
from pathlib import Path
from typing import Any

from federated import report
from federated.config import TRANSFER_METHODS, RunConfig


def result(seed: int, shift: float = 0.0) -> dict[str, Any]:
    config = RunConfig(seed=seed, rounds=2, sites=2)
    values = dict(zip(TRANSFER_METHODS, (0.5, 0.80, 0.90 + shift, 0.85), strict=True))
    return {
        "config": vars(config),
        "federated": 0.96,
        "centralized": 0.98,
        "alone": {"edge-a-01": 0.5, "edge-b-01": 0.6},
        "by_round": {
            "federated": [0.1, 0.9, 0.96],
            "centralized": [0.1, 0.95, 0.98],
            "sites": {"edge-a-01": [0.1, None, 0.9], "edge-b-01": [0.1, 0.8, None]},
        },
        "examples": {"edge-a-01": 300, "edge-b-01": 200},
        "missing": 2,
        "rejected": 1,
        "transfer": {"noisy": values, "new-classes": dict(values, **{"scratch": 0.95})},
    }


def test_the_table_says_what_helps_and_what_does_not() -> None:
    text = report.table([result(1), result(2, 0.02)])
    assert "centralized - federated          2.0 points" in text
    assert "missing 4, rejected 2" in text
    assert "noisy, same digits: frozen trunk gains 11.0 points against scratch" in text
    assert "2 of 2 seeds gain" in text
    assert "new digits: frozen trunk loses 4.0 points against scratch" in text
    assert "0 of 2 seeds gain" in text


def test_one_seed_has_no_spread() -> None:
    text = report.table([result(1)])
    assert "±" not in text


def test_writes_all_three_files_with_gaps_in_curves(tmp_path: Path) -> None:
    results = [result(1), copy.deepcopy(result(2))]
    text = report.write(results, tmp_path / "out")
    assert (tmp_path / "out" / "report.txt").read_text() == text + "\n"
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == results
    assert (tmp_path / "out" / "report.png").read_bytes().startswith(b"\x89PNG")

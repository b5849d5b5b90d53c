import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import train_digits

DEADLINE_SECONDS = 300
PROGRAM = Path(__file__).with_name("train_digits.py")


def test_no_image_is_trained_on_and_tested_with() -> None:
    train, test = train_digits.split(1)
    assert len(train.labels) + len(test.labels) == 1797
    seen = {image.tobytes() for image in train.images}
    assert not [image for image in test.images if image.tobytes() in seen]


def test_every_class_has_its_share_of_the_test() -> None:
    train, test = train_digits.split(1)
    for label in range(train_digits.CLASSES):
        kept = np.count_nonzero(test.labels == label)
        assert kept == round(0.2 * (kept + np.count_nonzero(train.labels == label)))


def test_the_split_follows_from_the_seed() -> None:
    assert np.array_equal(train_digits.split(3)[1].images, train_digits.split(3)[1].images)
    assert not np.array_equal(train_digits.split(3)[1].images, train_digits.split(4)[1].images)


def test_workers_share_the_batches_that_one_would_have() -> None:
    alone = list(train_digits.batches(100, 24, 1, 0, 0, 1))
    shares = [list(train_digits.batches(100, 24, 3, worker, 0, 1)) for worker in range(3)]
    assert len(alone) == 4
    assert [len(index) for index in shares[2]] == [8] * 4
    for batch, *parts in zip(alone, *shares, strict=True):
        assert np.array_equal(batch, np.concatenate(parts))


def test_no_image_comes_twice_in_an_epoch_and_epochs_differ() -> None:
    first, second = (np.concatenate([*train_digits.batches(50, 8, 1, 0, n, 1)]) for n in (0, 1))
    assert len(np.unique(first)) == len(first) == 48
    assert not np.array_equal(first, second)


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ValueError, match="batch of 32 cannot be shared equally by 3 workers"):
        next(train_digits.batches(100, 32, 3, 0, 0, 1))
    with pytest.raises(ValueError, match="batch of 32: there are 31 images"):
        next(train_digits.batches(31, 32, 1, 0, 0, 1))


def test_the_digest_tells_shape_and_type() -> None:
    flat = np.zeros(4, np.float32)
    assert train_digits.digest([flat]) == train_digits.digest([flat.copy()])
    assert train_digits.digest([flat]) != train_digits.digest([flat.reshape(2, 2)])
    assert train_digits.digest([flat]) != train_digits.digest([flat.astype(np.float64)])


def free_addresses(count: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


def start(output: Path, environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, PROGRAM, f"--output={output}", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(processes: list[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    """The last lines of all; none is left behind."""
    try:
        results = []
        for process in processes:
            out, errors = process.communicate(timeout=DEADLINE_SECONDS)
            assert process.returncode == 0, errors
            results.append(json.loads(out.splitlines()[-1]))
        return results
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.e2e
def test_two_workers_learn_what_one_does_and_end_with_the_same_weights(tmp_path: Path) -> None:
    workers = free_addresses(2)
    together = finish(
        [
            start(
                tmp_path / str(index),
                {
                    "TF_CONFIG": json.dumps(
                        {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
                    )
                },
            )
            for index in range(2)
        ]
    )
    (alone,) = finish([start(tmp_path / "alone", {})])
    assert [result["workers"] for result in together] == [2, 2]
    assert together[0]["weights_sha256"] == together[1]["weights_sha256"]
    assert together[0]["accuracy"] > 0.95
    assert abs(together[0]["accuracy"] - alone["accuracy"]) < 0.02
    assert (tmp_path / "0" / "model.keras").stat().st_size > 0
    assert not (tmp_path / "1").exists()


@pytest.mark.e2e
def test_the_saved_model_is_the_trained_one(tmp_path: Path) -> None:
    (result,) = finish([start(tmp_path, {}, "--epochs=1")])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    import keras

    model = keras.saving.load_model(result["model"], compile=False)
    assert train_digits.digest(model.get_weights()) == result["weights_sha256"]


@pytest.mark.e2e
def test_a_broken_environment_ends_the_program_with_a_reason(tmp_path: Path) -> None:
    process = start(tmp_path, {"TF_CONFIG": "{}"})
    _, errors = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 2
    assert errors.startswith("train_digits: TF_CONFIG has no cluster.worker")

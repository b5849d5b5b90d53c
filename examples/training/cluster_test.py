import json
from typing import Any

import pytest

import cluster

WORKERS = ["digits-worker-0.ml.svc:2222", "digits-worker-1.ml.svc:2222"]


def tf_config(workers: Any = WORKERS, kind: Any = "worker", index: Any = 1, **more: Any) -> dict[str, str]:
    config = {
        "cluster": {"worker": workers, **more},
        "task": {"type": kind, "index": index},
        "environment": "cloud",
    }
    return {"TF_CONFIG": json.dumps(config)}


def torchrun(nodes: str = "3", rank: str = "2", first: str = "digits-node-0-0.digits") -> dict[str, str]:
    return {
        "PET_NNODES": nodes,
        "PET_NODE_RANK": rank,
        "PET_MASTER_ADDR": first,
        "PET_MASTER_PORT": "29500",
        "PET_NPROC_PER_NODE": "1",
    }


def test_a_tfjob_says_who_the_workers_are() -> None:
    found = cluster.from_environment(tf_config())
    assert found == cluster.Cluster(tuple(WORKERS), 1)
    assert not found.is_chief
    assert found.peers == ("digits-worker-0.ml.svc",)


def test_a_trainjobs_workers_follow_from_the_first_ones_name() -> None:
    found = cluster.from_environment(torchrun())
    assert found is not None
    assert found.workers == (
        "digits-node-0-0.digits:29500",
        "digits-node-0-1.digits:29500",
        "digits-node-0-2.digits:29500",
    )
    assert found.index == 2


def test_only_the_last_number_of_a_name_counts_the_pods() -> None:
    found = cluster.from_environment(torchrun("2", "0", "run-0-node-0-0.run-0.ml.svc"))
    assert found is not None
    assert found.workers[1] == "run-0-node-0-1.run-0.ml.svc:29500"
    assert found.is_chief


def test_what_is_derived_reads_back_as_the_same() -> None:
    derived = cluster.from_environment(torchrun())
    assert derived is not None
    assert cluster.from_environment({"TF_CONFIG": derived.tf_config()}) == derived


def test_tf_config_comes_first() -> None:
    found = cluster.from_environment(torchrun() | tf_config())
    assert found is not None and found.workers == tuple(WORKERS)


@pytest.mark.parametrize(
    "environment",
    [{}, {"TF_CONFIG": ""}, tf_config(WORKERS[:1], index=0), torchrun("1", "0")],
)
def test_one_worker_is_alone(environment: dict[str, str]) -> None:
    assert cluster.from_environment(environment) is None


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"TF_CONFIG": "{"}, "TF_CONFIG has no"),
        ({"TF_CONFIG": "[]"}, "TF_CONFIG has no"),
        ({"TF_CONFIG": '{"cluster": {"worker": []}}'}, "TF_CONFIG has no"),
        (tf_config([]), "1 to 1024 workers"),
        (tf_config(["a:1"] * 1025), "1 to 1024 workers"),
        (tf_config(["a:1", 7]), "1 to 1024 workers"),
        (tf_config(["a:1", "a:1"]), "one address"),
        (tf_config(["a:1", "b"]), "no address of a worker"),
        (tf_config(["a:1", "b:99999"]), "no address of a worker"),
        (tf_config(index=2), "worker 2: there are 2"),
        (tf_config(index=-1), "worker -1"),
        (tf_config(index="1"), "worker '1'"),
        (tf_config(index=True), "worker True"),
        (tf_config(kind="ps"), "workers only"),
        (tf_config(ps=["c:1"]), "workers only"),
        (torchrun("0"), "PET_NNODES 0"),
        (torchrun("1000000000"), "PET_NNODES 1000000000"),
        (torchrun("two"), "PET_NNODES"),
        (torchrun(rank="3"), "worker 3: there are 3"),
        (torchrun(first="digits-node-0-1.digits"), "JobSet's first pod"),
        (torchrun(first="10.0.0.1"), "JobSet's first pod"),
        ({"PET_NNODES": "2"}, "PET_NODE_RANK"),
    ],
)
def test_what_describes_no_cluster_is_refused_by_name(environment: dict[str, str], message: str) -> None:
    with pytest.raises(cluster.ClusterError, match=message):
        cluster.from_environment(environment)


class Names:
    """Names that can be resolved from a time on; the clock goes only while somebody sleeps."""

    def __init__(self, since: dict[str, float]) -> None:
        self.since = since
        self.now = 0.0

    def resolve(self, name: str) -> None:
        if self.now < self.since[name]:
            raise OSError(f"{name} is not known")

    def wait(self, seconds: float) -> None:
        cluster.wait_for_names(
            tuple(self.since), seconds, resolve=self.resolve, clock=lambda: self.now, sleep=self.sleep
        )

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_waits_until_every_name_is_known() -> None:
    names = Names({"a": 0.0, "b": 3.0, "c": 5.0})
    names.wait(60)
    assert names.now == 5.0


def test_says_whose_name_never_came() -> None:
    with pytest.raises(TimeoutError, match="no address for b, c within 4 s"):
        Names({"a": 2.0, "b": 30.0, "c": 30.0}).wait(4)


def test_nobody_to_wait_for_is_no_wait() -> None:
    names = Names({})
    names.wait(0)
    assert names.now == 0.0

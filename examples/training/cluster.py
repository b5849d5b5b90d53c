"""Who trains together: TensorFlow's own description of it (TF_CONFIG), out of what the environment says.

A TFJob sets TF_CONFIG. A TrainJob sets what torchrun reads (PET_*), since Kubeflow Trainer knows no
TensorFlow: the number of nodes, one's own, and the name of the first. All pods of a JobSet have names of
one pattern, so those of the others follow. Pure, but for wait_for_names(); TensorFlow is not needed.
"""

import json
import re
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_WORKERS = 1024
# "digits-node-0-0.digits": TrainJob, replicated job, its index, the pod's index; then the subdomain.
_FIRST_POD = re.compile(r"(?P<job>[a-z0-9-]+)-0(?P<domain>(\.[a-z0-9-]+)*)")
_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]):(?P<port>[0-9]{1,5})")


class ClusterError(ValueError):
    """The environment describes no cluster; the message says what is wrong with it."""


@dataclass(frozen=True)
class Cluster:
    workers: tuple[str, ...]  # "host:port", in the same order everywhere
    index: int  # one's own

    @property
    def is_chief(self) -> bool:
        return self.index == 0

    @property
    def peers(self) -> tuple[str, ...]:
        """Host names of the others."""
        return tuple(
            _host(address) for i, address in enumerate(self.workers) if i != self.index
        )

    def tf_config(self) -> str:
        return json.dumps(
            {
                "cluster": {"worker": list(self.workers)},
                "task": {"type": "worker", "index": self.index},
            }
        )


def from_environment(environment: Mapping[str, str]) -> Cluster | None:
    """None: alone, which is what one gets with a single replica too."""
    if text := environment.get("TF_CONFIG"):
        return _from_tf_config(text)
    if "PET_NNODES" in environment:
        return _from_torchrun(environment)
    return None


def _host(address: str) -> str:
    match = _ADDRESS.fullmatch(address)
    if not match or int(match["port"]) > 65535:
        raise ClusterError(f"{address[:256]!r} is no address of a worker: expected host:port")
    return match["host"].strip("[]")


def _make(workers: list[Any], index: Any) -> Cluster | None:
    if not 1 <= len(workers) <= MAX_WORKERS or not all(isinstance(w, str) for w in workers):
        raise ClusterError(f"the cluster must have 1 to {MAX_WORKERS} workers, each a host:port")
    if type(index) is not int or not 0 <= index < len(workers):
        raise ClusterError(f"worker {index!r}: there are {len(workers)}, counted from 0")
    for address in workers:
        _host(address)
    if len(set(workers)) != len(workers):
        raise ClusterError("two workers have one address")
    return Cluster(tuple(workers), index) if len(workers) > 1 else None


def _from_tf_config(text: str) -> Cluster | None:
    try:
        config = json.loads(text)
        cluster, task = config["cluster"], config["task"]
        kind, index, workers = task["type"], task["index"], cluster["worker"]
    except (ValueError, KeyError, TypeError) as error:
        raise ClusterError(
            f"TF_CONFIG has no cluster.worker, task.type and task.index: {error!r}"
        ) from error
    if kind != "worker" or set(cluster) != {"worker"} or not isinstance(workers, list):
        raise ClusterError("TF_CONFIG: this training has workers only, no chief, ps or evaluator")
    return _make(workers, index)


def _from_torchrun(environment: Mapping[str, str]) -> Cluster | None:
    try:
        nodes, rank, port = (
            int(environment[name]) for name in ("PET_NNODES", "PET_NODE_RANK", "PET_MASTER_PORT")
        )
        first = environment["PET_MASTER_ADDR"]
    except (KeyError, ValueError) as error:
        raise ClusterError(f"PET_NNODES, _NODE_RANK, _MASTER_ADDR and _MASTER_PORT: {error!r}") from error
    name = _FIRST_POD.fullmatch(first)
    if not name:
        raise ClusterError(f"PET_MASTER_ADDR {first[:256]!r} is not the name of a JobSet's first pod")
    if not 1 <= nodes <= MAX_WORKERS:
        raise ClusterError(f"PET_NNODES {nodes}: expected 1 to {MAX_WORKERS}")
    return _make([f"{name['job']}-{i}{name['domain']}:{port}" for i in range(nodes)], rank)


def wait_for_names(
    names: tuple[str, ...],
    seconds: float,
    *,
    resolve: Callable[[str], Any] = lambda name: socket.getaddrinfo(name, None),
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Until all can be resolved: pods start one after the other, and gRPC keeps a first refusal long."""
    deadline = clock() + seconds
    missing = list(names)
    while True:
        missing = [name for name in missing if not _resolves(name, resolve)]
        if not missing:
            return
        if clock() >= deadline:
            raise TimeoutError(f"no address for {', '.join(missing)} within {seconds:.0f} s")
        sleep(1.0)


def _resolves(name: str, resolve: Callable[[str], Any]) -> bool:
    try:
        resolve(name)
    except OSError:
        return False
    return True

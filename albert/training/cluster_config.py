"""The machines that train together, as the variable TF_CONFIG names them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Mapping, Optional

from albert.base.errors import UserError

VARIABLE = "TF_CONFIG"
_CHIEF, _WORKER, _EVALUATOR = "chief", "worker", "evaluator"
_FORM = (
    '{"cluster": {"chief": ["host:port"], "worker": ["host:port", ...]}, '
    '"task": {"type": "worker", "index": 0}}'
)


@dataclasses.dataclass(frozen=True)
class ClusterConfig:
    """One of several machines that train one model.

    Attributes:
        trainers: "host:port" of each machine that trains; the first is the chief, which
            writes checkpoints.
        index: which of them this process is; None for the evaluator.
        has_evaluator: whether another machine evaluates, so that the chief need not.
        chief_named: whether TF_CONFIG says "chief"; otherwise worker 0 is the chief.
    """

    trainers: tuple[str, ...]
    index: Optional[int]
    has_evaluator: bool = False
    chief_named: bool = False

    @property
    def size(self) -> int:
        """How many machines train."""
        return len(self.trainers)

    @property
    def is_chief(self) -> bool:
        """Whether this process writes checkpoints."""
        return self.index == 0

    @property
    def is_evaluator(self) -> bool:
        """Whether this process evaluates what the others train."""
        return self.index is None

    @property
    def evaluates(self) -> bool:
        """Whether held-out data are this process's work."""
        return self.is_evaluator or (self.is_chief and not self.has_evaluator)

    def name(self, index: int) -> str:
        """Return how TF_CONFIG names a trainer, with its address."""
        job, number = self._task(index)
        return f"{job} {number} ({self.trainers[index]})"

    def _task(self, index: int) -> tuple[str, int]:
        if not self.chief_named:
            return _WORKER, index
        return (_WORKER, index - 1) if index else (_CHIEF, 0)

    def to_tf_config(self) -> str:
        """Return a TF_CONFIG of the trainers alone, for TensorFlow to read.

        An evaluator has no part in their sums, and must not be waited for.
        """
        cluster: dict[str, list[str]] = {}
        for index, address in enumerate(self.trainers):
            cluster.setdefault(self._task(index)[0], []).append(address)
        job, number = self._task(self.index)
        return json.dumps({"cluster": cluster, "task": {"type": job, "index": number}})


def _is_address(value: Any) -> bool:
    """Whether a value is host:port; [::1]:2222 is one, too."""
    if not isinstance(value, str) or not value.isascii():
        return False
    host, _, port = value.rpartition(":")
    return bool(host) and port.isdigit() and 1 <= int(port) <= 65535


def _parse_addresses(cluster: Mapping[str, Any], job: str) -> tuple[str, ...]:
    addresses = cluster.get(job, [])
    if not isinstance(addresses, list) or not all(map(_is_address, addresses)):
        raise UserError(
            f"{VARIABLE}: {job} must be a list of host:port, got {addresses!r}"
        )
    return tuple(addresses)


def parse_cluster(text: Optional[str]) -> Optional[ClusterConfig]:
    """Return what a TF_CONFIG says, None where it is empty or names no cluster.

    Raises:
        UserError: it is no JSON object of the usual form, or asks for what there is not
            here, such as parameter servers.
    """
    if not text:
        return None
    try:
        value = json.loads(text)
        cluster, task = value.get("cluster"), value.get("task", {})
        job, number = task.get("type"), task.get("index", 0)
    except (json.JSONDecodeError, RecursionError, AttributeError) as error:
        raise UserError(f"{VARIABLE} is not of the form {_FORM}") from error
    if not cluster:
        return None
    if not isinstance(cluster, dict):
        raise UserError(f"{VARIABLE} is not of the form {_FORM}")
    unknown = sorted(set(cluster) - {_CHIEF, _WORKER, _EVALUATOR})
    if unknown:
        raise UserError(
            f"{VARIABLE} names {unknown[0]!r}; training knows {_CHIEF}, {_WORKER} and "
            f"{_EVALUATOR}"
        )
    chiefs, workers = (_parse_addresses(cluster, j) for j in (_CHIEF, _WORKER))
    trainers = chiefs + workers
    if len(chiefs) > 1 or not trainers or len(set(trainers)) < len(trainers):
        raise UserError(
            f"{VARIABLE} must name one {_CHIEF}, {_WORKER}s, or both, each address "
            f"once; it names {len(chiefs)} and {len(workers)}"
        )
    groups = {_CHIEF: chiefs, _WORKER: workers}
    groups[_EVALUATOR] = _parse_addresses(cluster, _EVALUATOR)
    if job == _EVALUATOR and not groups[_EVALUATOR]:
        raise UserError(
            f"{VARIABLE}: this is an {_EVALUATOR}, which the cluster must list for all "
            "machines to know of it"
        )
    if len(groups[_EVALUATOR]) > 1:
        raise UserError(
            f"{VARIABLE} must name one {_EVALUATOR} at most, it names "
            f"{len(groups[_EVALUATOR])}"
        )
    count = len(groups.get(job, ()))
    if type(number) is not int or not 0 <= number < count:
        raise UserError(
            f"{VARIABLE}: task type {job!r}, index {number!r} is not in the cluster, "
            f"which has {', '.join(f'{len(a)} {j}(s)' for j, a in groups.items())}"
        )
    index = None if job == _EVALUATOR else number + len(chiefs) * (job == _WORKER)
    return ClusterConfig(trainers, index, bool(groups[_EVALUATOR]), bool(chiefs))


def refuse_cluster(text: Optional[str], script: str) -> None:
    """Raise UserError where a TF_CONFIG names several machines."""
    cluster = parse_cluster(text)
    if cluster is not None and cluster.size > 1:
        raise UserError(
            f"{script} works on one machine, but {VARIABLE} names {cluster.size}: "
            f"unset {VARIABLE}"
        )

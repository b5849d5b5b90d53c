"""What a broken or hostile site may send, to try what the others make of it.

A SuperNode with `misbehave="nan"` in its node config does so in every round.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Weights = list[NDArray[np.float32]]


def _nan(_: Weights, trained: Weights) -> Weights:
    return [np.full_like(array, np.nan) for array in trained]


def _shape(_: Weights, trained: Weights) -> Weights:
    return [array[..., np.newaxis] for array in trained]


def _reverse(received: Weights, trained: Weights) -> Weights:
    """Away from what was learned, five times as far: every number is finite, nothing looks wrong."""
    return [old - 5 * (new - old) for old, new in zip(received, trained, strict=True)]


MISBEHAVIOURS: dict[str, Callable[[Weights, Weights], Weights]] = {
    "nan": _nan,
    "shape": _shape,
    "reverse": _reverse,
}


def apply(kind: str, received: Weights, trained: Weights) -> Weights:
    if not kind:
        return trained
    if kind not in MISBEHAVIOURS:
        raise ValueError(f"misbehave {kind!r}: use one of {', '.join(MISBEHAVIOURS)}")
    return MISBEHAVIOURS[kind](received, trained)

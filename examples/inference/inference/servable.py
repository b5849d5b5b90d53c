"""What serves, without TensorFlow: the form of images and scores, and what a model must offer."""

from typing import Protocol

import numpy as np
from federated.store import Manifest
from numpy.typing import NDArray

PIXELS = 64
CLASSES = 10
Images = NDArray[np.float32]  # (n, PIXELS), 0 to 1, row by row
Scores = NDArray[np.float32]  # (n, CLASSES)


class SelfCheckFailed(Exception):
    """The model loads and is not fit to serve."""


class Servable(Protocol):
    """Any thread may call `predict`; it raises what TensorFlow raises."""

    @property
    def manifest(self) -> Manifest: ...
    def predict(self, images: Images) -> Scores: ...

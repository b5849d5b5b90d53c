"""scikit-learn's digits (1,797 images of 8x8), who has which of them, and what a new site sees.

Nothing is downloaded: the images are part of scikit-learn. All splits follow from the seed, so every
process finds its own share without being sent any data.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

CLASSES = 10
# Fewer would leave a site without a batch or a holdout worth the name.
MIN_SAMPLES = 20
_HOLDOUT = 0.2
_FRACTIONS = {"federated": 0.60, "validation": 0.10, "test": 0.15, "newcomer": 0.15}


@dataclass(frozen=True)
class Samples:
    images: NDArray[np.float32]  # (n, 8, 8, 1), 0 to 1
    labels: NDArray[np.int64]  # (n,)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: NDArray[np.int64]) -> "Samples":
        return Samples(self.images[index], self.labels[index])

    def only(self, digits: str) -> "Samples":
        wanted = [int(digit) for digit in digits]
        return self.take(np.flatnonzero(np.isin(self.labels, wanted)))


@dataclass(frozen=True)
class Splits:
    """Four parts without a common image, each with every class in the same proportion."""

    federated: Samples  # what the sites train on
    validation: Samples  # the server's: marks the best version
    test: Samples  # for reports only
    newcomer: Samples  # of the site that joins after the federation


def _generator(*key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(key))


def all_digits() -> Samples:
    digits = load_digits()
    images = (digits.images / 16.0).astype(np.float32)[..., np.newaxis]
    return Samples(images, digits.target.astype(np.int64))


def split(seed: int) -> Splits:
    samples = all_digits()
    generator = _generator(seed, 1)
    parts: dict[str, list[NDArray[np.int64]]] = {name: [] for name in _FRACTIONS}
    for label in range(CLASSES):
        index = generator.permutation(np.flatnonzero(samples.labels == label))
        cuts = np.cumsum([round(len(index) * share) for share in list(_FRACTIONS.values())[:-1]])
        for name, piece in zip(_FRACTIONS, np.split(index, cuts), strict=True):
            parts[name].append(piece)
    return Splits(
        **{name: samples.take(np.sort(np.concatenate(pieces))) for name, pieces in parts.items()}
    )


def shard(labels: NDArray[np.int64], sites: int, alpha: float, seed: int) -> list[NDArray[np.int64]]:
    """Indices of each site: of every class each site gets a share drawn from Dirichlet(alpha).

    Drawn again until every site has MIN_SAMPLES; the draws follow from the seed as well.
    """
    if sites * MIN_SAMPLES > len(labels):
        raise ValueError(
            f"{sites} sites: {len(labels)} images are enough for {len(labels) // MIN_SAMPLES} at most"
        )
    generator = _generator(seed, 2)
    for _ in range(1000):
        shards: list[list[NDArray[np.int64]]] = [[] for _ in range(sites)]
        for label in np.unique(labels):
            index = generator.permutation(np.flatnonzero(labels == label))
            shares = generator.dirichlet(np.full(sites, alpha))
            cuts = (np.cumsum(shares)[:-1] * len(index)).astype(np.int64)
            for pieces, piece in zip(shards, np.split(index, cuts), strict=True):
                pieces.append(piece)
        result = [np.sort(np.concatenate(pieces)) for pieces in shards]
        if min(map(len, result)) >= MIN_SAMPLES:
            return result
    raise ValueError(
        f"alpha {alpha} with {sites} sites leaves some site under {MIN_SAMPLES} images: raise alpha"
    )


def site_data(
    site: int, sites: int, alpha: float, digits: str, seed: int
) -> tuple[Samples, Samples]:
    """A site's own images, for training and held out."""
    if not 0 <= site < sites:
        raise ValueError(f"site {site}: there are {sites}, counted from 0")
    pool = split(seed).federated.only(digits)
    own = pool.take(shard(pool.labels, sites, alpha, seed)[site])
    index = _generator(seed, 3, site).permutation(len(own))
    held_out = max(1, round(len(own) * _HOLDOUT))
    return own.take(index[held_out:]), own.take(index[:held_out])


def noisy(samples: Samples, seed: int, contrast: float = 0.4, noise: float = 0.2) -> Samples:
    """The same digits through a worse camera: less contrast about the middle grey, Gaussian noise."""
    generator = _generator(seed, 4, len(samples))
    grey = 0.5 + contrast * (samples.images - 0.5)
    grain = generator.normal(0.0, noise, size=grey.shape)
    return Samples(np.clip(grey + grain, 0.0, 1.0).astype(np.float32), samples.labels)


def few_labels(samples: Samples, count: int, seed: int) -> tuple[Samples, Samples]:
    """`count` images with labels, equally many of each class, and all the others."""
    generator = _generator(seed, 5)
    present = np.unique(samples.labels)
    each, rest = divmod(count, len(present))
    if rest or each < 1:
        raise ValueError(f"{count} labels: use a multiple of {len(present)}, the number of classes")
    chosen = np.concatenate(
        [generator.permutation(np.flatnonzero(samples.labels == label))[:each] for label in present]
    )
    return samples.take(np.sort(chosen)), samples.take(
        np.setdiff1d(np.arange(len(samples)), chosen)
    )


def join(first: Samples, second: Samples) -> Samples:
    return Samples(
        np.concatenate([first.images, second.images]),
        np.concatenate([first.labels, second.labels]),
    )

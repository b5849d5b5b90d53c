"""Which learning rate, for which shares: judged by validation images, with seeds that no figure is of.

A federation without Flower: the same shares, shuffles and mean of weights, in one process.
`run.sh --tune` calls it. Test images are left alone.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import mean

import numpy as np

from federated import baseline, data, model
from federated.config import RunConfig


@dataclass(frozen=True)
class Outcome:
    """Validation accuracy of the best version, of the federation and of one place with all images."""

    federated: float
    centralized: float

    @property
    def gap(self) -> float:
        return self.centralized - self.federated


def average(weights: Sequence[model.Weights], examples: Sequence[int]) -> model.Weights:
    """The mean that FedAvg makes: each site counts by its examples."""
    shares = np.asarray(examples, dtype=np.float64) / sum(examples)
    return [
        np.tensordot(shares, np.stack(arrays), axes=1).astype(np.float32)
        for arrays in zip(*weights, strict=True)
    ]


def federate(config: RunConfig) -> Iterator[float]:
    """Validation accuracy of the first weights and after each round."""
    sites = [
        data.site_data(site, config.sites, config.alpha, config.digits, config.seed)[0]
        for site in range(config.sites)
    ]
    validation = data.split(config.seed).validation.only(config.digits)
    network = model.build(config.seed)
    weights = network.get_weights()
    yield model.accuracy(network, validation)
    for number in range(1, config.rounds + 1):
        replies = []
        for site, samples in enumerate(sites):
            network.set_weights(weights)
            seed = model.shuffle_seed(config.seed, number, site)
            model.fit_round(network, samples, config, seed=seed)
            replies.append(network.get_weights())
        weights = average(replies, [len(samples) for samples in sites])
        network.set_weights(weights)
        yield model.accuracy(network, validation)


def compare(config: RunConfig) -> Outcome:
    return Outcome(
        federated=max(federate(config)),
        centralized=max(validation for validation, _ in baseline.centralized(config)),
    )


def main() -> None:
    defaults = RunConfig()
    parser = argparse.ArgumentParser(prog="run.sh --tune", description=__doc__.splitlines()[0])
    parser.add_argument("--alpha", type=float, nargs="+", default=[defaults.alpha])
    parser.add_argument("--learning-rate", type=float, nargs="+", default=[0.001, 0.003, 0.01])
    parser.add_argument("--rounds", type=int, default=defaults.rounds)
    parser.add_argument("--epochs", type=int, default=defaults.epochs)
    parser.add_argument("--sites", type=int, default=defaults.sites)
    parser.add_argument("--seed", type=int, default=101, help="the first (default 101)")
    parser.add_argument("--seeds", type=int, default=3, help="how many, counted up (default 3)")
    arguments = parser.parse_args()
    if arguments.seeds < 1:
        parser.error(f"--seeds {arguments.seeds}: use 1 or more")
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    try:
        base = RunConfig(rounds=arguments.rounds, epochs=arguments.epochs, sites=arguments.sites)
        configs = [
            replace(base, alpha=alpha, learning_rate=rate)
            for alpha in arguments.alpha
            for rate in arguments.learning_rate
        ]
    except ValueError as error:
        parser.error(str(error))
    model.configure()
    print(
        f"validation accuracy, best of {base.rounds} rounds; mean of seeds {seeds[0]} to {seeds[-1]}\n"
        f"{'alpha':>8} {'learning rate':>14} {'federated':>10} {'centralized':>12} {'gap':>11} {'worst gap':>10}",
        flush=True,
    )
    for config in configs:
        outcomes = [compare(replace(config, seed=seed)) for seed in seeds]
        print(
            f"{config.alpha:>8g} {config.learning_rate:>14g}"
            f" {mean(one.federated for one in outcomes):>10.3f}"
            f" {mean(one.centralized for one in outcomes):>12.3f}"
            f" {100 * mean(one.gap for one in outcomes):>4.1f} points"
            f" {100 * max(one.gap for one in outcomes):>10.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()

"""What federated learning is compared with: one place that has all data, and sites that stay alone."""

from federated import data, model
from federated.config import RunConfig


def _curve(
    config: RunConfig, train: data.Samples, validation: data.Samples, test: data.Samples, seed: int
) -> list[tuple[float, float]]:
    """(validation, test) accuracy after each round's worth of epochs, from the same first weights."""
    network = model.build(config.seed)
    points = [(model.accuracy(network, validation), model.accuracy(network, test))]
    for number in range(config.rounds):
        model.fit_round(network, train, config, seed=seed * 1_000_003 + number)
        points.append((model.accuracy(network, validation), model.accuracy(network, test)))
    return points


def centralized(config: RunConfig) -> list[tuple[float, float]]:
    """Trained on the training images of all sites in one place."""
    parts = data.split(config.seed)
    train, _ = data.site_data(0, config.sites, config.alpha, config.digits, config.seed)
    for site in range(1, config.sites):
        more, _ = data.site_data(site, config.sites, config.alpha, config.digits, config.seed)
        train = data.join(train, more)
    return _curve(config, train, parts.validation, parts.test, config.seed)


def alone(config: RunConfig, site: int) -> list[tuple[float, float]]:
    """A site that trains on its own images only, asked about everybody's."""
    parts = data.split(config.seed)
    train, _ = data.site_data(site, config.sites, config.alpha, config.digits, config.seed)
    return _curve(config, train, parts.validation, parts.test, config.seed + 7919 * (site + 1))


def at_best_validation(points: list[tuple[float, float]]) -> float:
    """Test accuracy of the version that the store would mark as best: the first with most."""
    return max(points, key=lambda point: point[0])[1]

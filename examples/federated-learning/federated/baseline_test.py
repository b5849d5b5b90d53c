import pytest

from federated import baseline, model
from federated.config import RunConfig

CONFIG = RunConfig(sites=2, rounds=1, epochs=1)


@pytest.fixture(scope="module", autouse=True)
def configured() -> None:
    model.configure()


def test_each_site_is_trained_alone_from_the_same_first_weights() -> None:
    curves = [baseline.alone(CONFIG, site) for site in range(CONFIG.sites)]
    assert [len(points) for points in curves] == [CONFIG.rounds + 1] * CONFIG.sites
    assert curves[0][0] == curves[1][0] == baseline.centralized(CONFIG)[0]
    assert curves[0][-1] != curves[1][-1]


def test_of_several_versions_the_first_with_most_validation_accuracy_counts() -> None:
    assert baseline.at_best_validation([(0.1, 0.2), (0.9, 0.8), (0.9, 0.95), (0.3, 0.99)]) == 0.8

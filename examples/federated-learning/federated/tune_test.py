import numpy as np

from federated import model, tune
from federated.config import RunConfig


def test_a_site_counts_by_its_examples() -> None:
    one, other = [np.zeros((2, 2), np.float32)], [np.full((2, 2), 4.0, np.float32)]
    (mean,) = tune.average([one, other], [30, 10])
    assert mean.dtype == np.float32
    assert np.array_equal(mean, np.full((2, 2), 1.0, np.float32))


def test_more_rounds_go_on_from_the_same_first_ones() -> None:
    model.configure()
    config = RunConfig(sites=2, rounds=1, epochs=1)
    (before, after) = tune.federate(config)
    assert 0 <= before < after <= 1
    longer = list(tune.federate(RunConfig(sites=2, rounds=2, epochs=1)))
    assert longer[:2] == [before, after]
    assert len(longer) == 3

import json

import pytest

from inference import bench, protocol


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_percentiles_are_values_that_were_seen(share: float, expected: float) -> None:
    assert bench.percentile(range(100, 0, -1), share) == expected


@pytest.mark.parametrize("rows", bench.BATCHES)
def test_sends_what_the_protocol_takes(rows: int) -> None:
    assert protocol.parse(bench.body(rows), 256).images.shape == (rows, 64)
    assert json.loads(bench.body(rows)) == json.loads(bench.body(rows))


@pytest.mark.parametrize("url", ["https://a:1", "a:1", "http://a/b", ""])
def test_a_url_of_another_form_is_named(url: str) -> None:
    with pytest.raises(SystemExit, match="use http://HOST:PORT"):
        bench.address(url)

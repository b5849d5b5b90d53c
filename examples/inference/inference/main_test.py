import pytest

from inference.__main__ import arguments

NEEDED = ["--model", "digits-fedavg-seed1", "--endpoint", "https://store.federated.svc:7070"]


def test_has_a_default_for_all_but_model_and_store() -> None:
    options = arguments(NEEDED)
    assert (options.model, options.bucket, options.port) == ("digits-fedavg-seed1", "models", 8080)
    assert (options.batch, options.in_flight, options.threads) == (256, 64, 2)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--model", ""),
        ("--model", "a/b"),
        ("--model", "..;"),
        ("--endpoint", "store:7070"),
        ("--endpoint", "ftp://store"),
        ("--port", "0"),
        ("--port", "65536"),
        ("--interval", "0"),
        ("--interval", "nan"),
        ("--least-accuracy", "1.1"),
        ("--least-accuracy", "nan"),
        ("--batch", "0"),
        ("--threads", "x"),
    ],
)
def test_a_wrong_value_is_named(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        arguments([*NEEDED, option, value])
    assert ended.value.code == 2
    assert option in capsys.readouterr().err

import pytest

from federated.config import RunConfig


def test_survives_the_way_through_flower() -> None:
    from flwr.common.config import parse_config_args

    config = RunConfig(name="digits-median", alpha=0.25, strategy="median", digits="01234")
    assert RunConfig.from_flower(parse_config_args([config.to_flower()])) == config


def test_the_apps_defaults_are_those_of_the_program() -> None:
    import tomllib
    from pathlib import Path

    app = tomllib.loads(Path(__file__).parent.parent.joinpath("pyproject.toml").read_text())
    assert RunConfig.from_flower(app["tool"]["flwr"]["app"]["config"]) == RunConfig()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("strategy", "mean"),
        ("sites", 0),
        ("alpha", 0.0),
        ("digits", "0"),
        ("digits", "0012"),
        ("digits", "0a"),
        ("min_replies", 5),
        ("rounds", 0),
        ("name", "../other"),
    ],
)
def test_refuses_what_cannot_work_and_names_it(setting: str, value: object) -> None:
    with pytest.raises(ValueError, match=setting.replace("_", "-")):
        RunConfig(**{setting: value})  # type: ignore[arg-type]


def test_refuses_an_unknown_setting() -> None:
    with pytest.raises(ValueError, match="colour"):
        RunConfig.from_flower({"colour": "red"})


def test_more_rounds_continue_a_training_another_seed_does_not() -> None:
    config = RunConfig()
    assert RunConfig(rounds=20).fingerprint() == config.fingerprint()
    assert RunConfig(seed=2).fingerprint() != config.fingerprint()

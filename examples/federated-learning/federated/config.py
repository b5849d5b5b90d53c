"""The settings of one federated training, as `flwr run --run-config` carries them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

# Begins the lines of a ServerApp's log that are events in JSON.
EVENT_MARK = "FEDERATED "
# For every Flower process: no telemetry, no look at the Internet, no `uv sync` at start.
FLOWER_SETTINGS = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
}
# A second federation knows only the old ones; a new site has only the new ones.
OLD_DIGITS, NEW_DIGITS = "01234", "56789"
TRANSFER_METHODS = ("zero-shot", "scratch", "frozen trunk", "fine-tune")
STRATEGIES = ("fedavg", "median", "trimmed", "krum")


@dataclass(frozen=True)
class RunConfig:
    name: str = "digits"  # of the model in the store
    seed: int = 1
    sites: int = 4
    alpha: float = 1.0  # of the Dirichlet distribution: less is more unequal
    digits: str = "0123456789"  # the classes that the sites have
    rounds: int = 6
    epochs: int = 5  # over a site's own data, each round
    batch_size: int = 32
    learning_rate: float = 0.01
    strategy: str = "fedavg"
    min_replies: int = 2  # a round with fewer usable replies changes nothing
    round_timeout: int = 120  # seconds until a silent site counts as missing

    def __post_init__(self) -> None:
        def require(condition: bool, message: str) -> None:
            if not condition:
                raise ValueError(message)

        require(
            bool(self.name) and self.name.replace("-", "").replace(".", "").isalnum(),
            f"name {self.name!r}: use letters, digits, '-' and '.'",
        )
        require(
            self.strategy in STRATEGIES,
            f"strategy {self.strategy!r}: use one of {', '.join(STRATEGIES)}",
        )
        require(1 <= self.sites <= 64, f"sites {self.sites}: use 1 to 64")
        require(self.alpha > 0, f"alpha {self.alpha}: it must be above 0")
        require(
            len(set(self.digits)) == len(self.digits) >= 2 and self.digits.isdecimal(),
            f"digits {self.digits!r}: name at least two, each once, as in '01234'",
        )
        require(1 <= self.rounds <= 1000, f"rounds {self.rounds}: use 1 to 1000")
        require(1 <= self.epochs <= 100, f"epochs {self.epochs}: use 1 to 100")
        require(self.batch_size >= 1, f"batch-size {self.batch_size}: it must be at least 1")
        require(self.learning_rate > 0, f"learning-rate {self.learning_rate}: it must be above 0")
        require(
            1 <= self.min_replies <= self.sites,
            f"min-replies {self.min_replies}: use 1 to {self.sites}, the number of sites",
        )
        require(self.round_timeout >= 1, f"round-timeout {self.round_timeout}: use 1 or more")

    @classmethod
    def from_flower(cls, values: Mapping[str, Any]) -> "RunConfig":
        """Reads Flower's run config, whose keys have dashes."""
        known = {field.name: field.type for field in fields(cls)}
        settings = {key.replace("-", "_"): value for key, value in values.items()}
        unknown = sorted(set(settings) - set(known))
        if unknown:
            raise ValueError(f"run config: {', '.join(unknown)} is not known")
        return cls(**{key: known[key](value) for key, value in settings.items()})  # type: ignore[operator]

    def to_flower(self) -> str:
        """The argument of `flwr run --run-config`."""
        return " ".join(
            f"{key.replace('_', '-')}={json.dumps(value)}" for key, value in asdict(self).items()
        )

    def fingerprint(self) -> str:
        """Equal for trainings that may continue each other: more rounds or patience are no change."""
        fixed = asdict(self)
        for free in ("rounds", "min_replies", "round_timeout"):
            del fixed[free]
        return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()[:16]

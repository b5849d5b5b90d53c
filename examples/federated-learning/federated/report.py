"""Evaluates what the store has, compares, and shows it: results.json, a table, a PNG.

Every version is downloaded, checked and evaluated on the test images, which nobody trained on and
which did not choose the best version.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from federated.config import TRANSFER_METHODS, RunConfig

SCENARIOS = {"noisy": "noisy, same digits", "new-classes": "new digits"}
Result = dict[str, Any]


def evaluate(name: str, transfer: dict[str, Any]) -> Result:
    """All figures of one seed."""
    from federated import baseline, data, model
    from federated.store import ModelRepository, S3Store

    model.configure()
    repository = ModelRepository(S3Store.from_environment(), name)
    manifests = [repository.manifest(version) for version in repository.versions()]
    config = RunConfig(**manifests[-1].config)
    test = data.split(config.seed).test
    federated = [
        (manifest.accuracy, model.accuracy(model.from_bytes(repository.load(manifest)), test))
        for manifest in manifests
    ]
    names = sorted({site for manifest in manifests for site in manifest.expected})
    centralized = baseline.centralized(config)
    return {
        "config": manifests[-1].config,
        "weights_sha256": manifests[-1].weights_sha256,
        "best_version": manifests[int(np.argmax([accuracy for accuracy, _ in federated]))].version,
        "federated": baseline.at_best_validation(federated),
        "centralized": baseline.at_best_validation(centralized),
        "alone": {
            name: baseline.at_best_validation(baseline.alone(config, site))
            for site, name in enumerate(names)
        },
        "by_round": {
            "federated": [accuracy for _, accuracy in federated],
            "centralized": [accuracy for _, accuracy in centralized],
            "sites": {name: _site_curve(manifests, name) for name in names},
        },
        "examples": {
            name: next(
                (
                    int(manifest.sites[name]["num-examples"])
                    for manifest in manifests
                    if "num-examples" in manifest.sites.get(name, {})
                ),
                0,
            )
            for name in names
        },
        "missing": sum(len(manifest.missing) for manifest in manifests),
        "rejected": sum(len(manifest.rejected) for manifest in manifests),
        "transfer": transfer,
    }


def _site_curve(manifests: list[Any], name: str) -> list[float | None]:
    """The global model on that site's held-out images: a site reports on the version it was sent."""
    curve: list[float | None] = [
        manifest.sites.get(name, {}).get("before") for manifest in manifests[1:]
    ]
    return [*curve, manifests[-1].sites.get(name, {}).get("final")]


def _spread(values: list[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.3f}        "
    return f"{np.mean(values):.3f} ±{np.std(values, ddof=1):.3f}"


def table(results: list[Result]) -> str:
    seeds = [str(result["config"]["seed"]) for result in results]
    config = results[0]["config"]
    lines = [
        f"seeds {', '.join(seeds)}; strategy {config['strategy']}, {config['sites']} sites, "
        f"alpha {config['alpha']}, {config['rounds']} rounds of {config['epochs']} epochs",
        "",
        "test accuracy                      " + ("mean ±standard deviation" if len(seeds) > 1 else ""),
        f"  federated, best version          {_spread([r['federated'] for r in results])}",
        f"  centralized                      {_spread([r['centralized'] for r in results])}",
    ]
    for name in results[0]["alone"]:
        images = "/".join(str(result["examples"].get(name, 0)) for result in results)
        alone = _spread([result["alone"][name] for result in results])
        lines.append(f"  {name:10} alone                 {alone}   ({images} images)")
    gap = [100 * (r["centralized"] - r["federated"]) for r in results]
    lines += [
        f"  centralized - federated          {np.mean(gap):.1f} points (most {max(gap):.1f})",
        f"replies missing {sum(r['missing'] for r in results)}, "
        f"rejected {sum(r['rejected'] for r in results)}",
        "",
        f"new site, 50 labels                {'   '.join(f'{title:18}' for title in SCENARIOS.values())}",
    ]
    for method in TRANSFER_METHODS:
        cells = [_spread([r["transfer"][key][method] for r in results]) for key in SCENARIOS]
        lines.append(f"  {method:31}  {'   '.join(f'{cell:18}' for cell in cells)}")
    lines += [""] + [_verdict(results, key, title) for key, title in SCENARIOS.items()]
    return "\n".join(line.rstrip() for line in lines)


def _verdict(results: list[Result], key: str, title: str) -> str:
    """In words, by the differences seed by seed, since a seed's methods share labels and test."""
    best = max(
        ("frozen trunk", "fine-tune"),
        key=lambda method: float(np.mean([r["transfer"][key][method] for r in results])),
    )
    gains = [
        100 * (r["transfer"][key][best] - r["transfer"][key]["scratch"]) for r in results
    ]
    mean = float(np.mean(gains))
    word = "gains" if mean > 0 else "loses"
    text = f"{title}: {best} {word} {abs(mean):.1f} points against scratch"
    if len(gains) > 1:
        text += f" (±{np.std(gains, ddof=1):.1f}; {sum(gain > 0 for gain in gains)} of {len(gains)} seeds gain)"
    return text


def plot(results: list[Result], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 4.8), width_ratios=(3, 2))
    rounds = range(len(results[0]["by_round"]["federated"]))
    for key, colour, style in (("centralized", "black", "--"), ("federated", "C3", "-")):
        values = np.array([result["by_round"][key] for result in results])
        left.plot(
            rounds, values.mean(axis=0), style, color=colour, linewidth=2.2, label=f"{key}, test images"
        )
        left.fill_between(
            rounds, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.15
        )
    for number, name in enumerate(results[0]["by_round"]["sites"]):
        site = np.array(
            [result["by_round"]["sites"].get(name, []) for result in results], dtype=float
        )
        colour = f"C{number + 4 if number < 6 else number + 10}"
        left.plot(
            rounds, np.nanmean(site, axis=0), color=colour, linewidth=1, label=f"{name}, own holdout"
        )
        alone = float(np.mean([result["alone"][name] for result in results]))
        left.plot([rounds[-1]], [alone], "x", color=colour)
    left.plot([], [], "kx", label="trained alone, test images")
    left.set(xlabel="round", ylabel="accuracy", title="The global model", ylim=(0, 1.02))
    left.legend(fontsize=8, loc="lower right")
    left.grid(alpha=0.3)
    width = 0.2
    for number, method in enumerate(TRANSFER_METHODS):
        values = np.array(
            [[result["transfer"][key][method] for result in results] for key in SCENARIOS]
        )
        error = values.std(axis=1, ddof=1) if len(results) > 1 else None
        places = np.arange(len(SCENARIOS)) + (number - 1.5) * width
        right.bar(places, values.mean(axis=1), width, yerr=error, capsize=3, label=method)
        for place, value in zip(places, values.mean(axis=1), strict=True):
            right.annotate(
                f"{value:.3f}", (place, 0.02), rotation=90, ha="center", fontsize=8
            )
    right.set_xticks(np.arange(len(SCENARIOS)), SCENARIOS.values())
    right.set(title="A new site with 50 labels", ylabel="accuracy", ylim=(0, 1.02))
    # Below: in the axes it would lie on the figures of some bars.
    right.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=4)
    seeds = len(results)
    strategy = results[0]["config"]["strategy"]
    figure.suptitle(f"{strategy}, mean of {seeds} seeds" if seeds > 1 else strategy, fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def write(results: list[Result], folder: Path) -> str:
    """results.json, report.txt and report.png; returns the table."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    text = table(results)
    (folder / "report.txt").write_text(text + "\n")
    plot(results, folder / "report.png")
    return text


def main() -> None:
    """Two steps: figures of a seed to stdout; figures of all seeds from stdin to a folder."""
    parser = argparse.ArgumentParser(description="Evaluates models in the store, writes the report")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("evaluate", help="transfer's line on stdin, one seed's on stdout")
    one.add_argument("--model", required=True)
    every = commands.add_parser("write", help="the seeds' lines on stdin")
    every.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "evaluate":
        print(json.dumps(evaluate(arguments.model, json.load(sys.stdin))), flush=True)
    else:
        print(write([json.loads(line) for line in sys.stdin if line.strip()], arguments.folder))


if __name__ == "__main__":
    main()

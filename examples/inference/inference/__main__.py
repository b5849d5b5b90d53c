"""Serves the best version of a model.

    python -m inference --model digits --endpoint https://store:7070 --ca /store/ca.crt

Keys of the store: a file in the form of AWS' own (AWS_SHARED_CREDENTIALS_FILE), or AWS' variables.
"""

import argparse
import logging
import threading
from functools import partial
from urllib.parse import urlsplit

from federated.store import ModelRepository, S3Store

from inference.app import InferenceApp, RequestLimits
from inference.metrics import Metrics
from inference.registry import Registry
from inference.server import server
from inference.watcher import Watcher, WatchLimits


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text}: it must be above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 1 << 30:
        raise argparse.ArgumentTypeError(f"{text}: it must be at least 1")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{text}: use 1 to 65535")
    return value


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError(f"{text}: use https://HOST:PORT")
    return text


def _name(text: str) -> str:
    # As the federation names its models: a name is a folder of the store, and a part of a path.
    if not text.replace("-", "").replace(".", "").isalnum():
        raise argparse.ArgumentTypeError(f"{text!r}: use letters, digits, '-' and '.'")
    return text


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text}: use 0 to 1")
    return value


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    watch, request = WatchLimits(), RequestLimits()
    parser = argparse.ArgumentParser(
        prog="inference", description="Serves the best version of a model"
    )
    parser.add_argument(
        "--model", type=_name, required=True, help="its name, in the store and in the paths"
    )
    parser.add_argument(
        "--endpoint", type=_url, required=True, help="URL of the S3-compatible store"
    )
    parser.add_argument("--bucket", default="models")
    parser.add_argument("--ca", help="file of the store's authority; without it, the system's")
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--port", type=_port, default=8080)
    parser.add_argument(
        "--interval", type=_positive, default=watch.interval, help="seconds between two looks"
    )
    parser.add_argument(
        "--least-accuracy", type=_share, default=0.5, help="of a version that serves"
    )
    for option, default, limited in (
        ("--model-bytes", watch.model_bytes, "size of a model"),
        ("--body-bytes", request.body_bytes, "size of a request"),
        ("--batch", request.batch, "images in a request"),
        ("--in-flight", request.in_flight, "requests answered at once"),
        ("--threads", request.threads, "predictions made at once"),
    ):
        parser.add_argument(
            option, type=_count, default=default, help=f"{limited} (default {default})"
        )
    return parser.parse_args(given)


def main() -> None:
    options = arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # After the options: a wrong one is told at once, TensorFlow takes seconds.
    from inference import model

    model.configure(threads=1)
    metrics = Metrics()
    registry = Registry(metrics)
    watcher = Watcher(
        lambda: ModelRepository(
            S3Store(options.endpoint, options.bucket, options.ca, seconds=60), options.model
        ),
        partial(model.load, least_accuracy=options.least_accuracy),
        registry,
        metrics,
        WatchLimits(interval=options.interval, model_bytes=options.model_bytes),
    )
    application = InferenceApp(
        options.model,
        registry,
        metrics,
        RequestLimits(
            body_bytes=options.body_bytes,
            batch=options.batch,
            in_flight=options.in_flight,
            threads=options.threads,
        ),
    )
    # A daemon: at the end nothing waits for a download. On SIGTERM uvicorn answers what was begun,
    # then ends the process by that signal.
    threading.Thread(
        target=watcher.run, args=[threading.Event()], name="watcher", daemon=True
    ).start()
    server(application.app, options.host, options.port).run()


if __name__ == "__main__":
    main()

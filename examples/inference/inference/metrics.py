"""What /metrics shows, in Prometheus' text format."""

from federated.store import Manifest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

# Why a version was refused. "serving": it broke after the swap, and the one before took over.
REASONS = ("mark", "manifest", "size", "checksum", "load", "self-check", "serving")
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """One set for one server: nothing here is global."""

    def __init__(self) -> None:
        self.collectors = CollectorRegistry()
        into = {"registry": self.collectors}
        self.requests = Counter(
            "inference_requests_total", "Answered requests to infer", ["code"], **into
        )
        self.seconds = Histogram(
            "inference_request_seconds", "From the headers to the answer", buckets=_SECONDS, **into
        )
        self.predict_seconds = Histogram(
            "inference_predict_seconds", "In TensorFlow alone", buckets=_SECONDS, **into
        )
        self.rows = Histogram("inference_batch_rows", "Images in a request", buckets=_ROWS, **into)
        self.in_flight = Gauge("inference_in_flight", "Requests to infer being answered", **into)
        self.version = Gauge("inference_model_version", "That serves; -1: none", **into)
        self.version.set(-1)
        self.accuracy = Gauge("inference_model_accuracy", "As its manifest says", **into)
        self.swaps = Counter("inference_model_swaps_total", "Versions that began to serve", **into)
        self.rollbacks = Counter(
            "inference_model_rollbacks_total", "Versions that broke while they served", **into
        )
        self.refusals = Counter(
            "inference_model_refusals_total", "Versions that do not serve", ["reason"], **into
        )
        for reason in REASONS:
            self.refusals.labels(reason)
        self.store_errors = Counter(
            "inference_store_errors_total", "Looks at the store that failed", **into
        )
        self.store_seen = Gauge(
            "inference_store_last_success_timestamp_seconds", "Last look that did not", **into
        )

    def serves(self, manifest: Manifest) -> None:
        self.version.set(manifest.version)
        self.accuracy.set(manifest.accuracy)

    def text(self) -> bytes:
        return generate_latest(self.collectors)

"""The routes: V2 inference protocol and /metrics. Limits come before work."""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from inference import protocol
from inference.metrics import Metrics
from inference.registry import Registry
from inference.servable import Images, Scores, Servable

log = logging.getLogger(__name__)

SERVER_NAME = "gs-optops-inference"
SERVER_VERSION = "1.0.0"


@dataclass(frozen=True)
class RequestLimits:
    body_bytes: int = 1024 * 1024
    batch: int = 256
    in_flight: int = 64  # requests to infer, from headers to answer
    body_seconds: float = 10.0
    predict_seconds: float = 5.0  # waiting for a thread included
    threads: int = 2


class InferenceApp:
    """One model by name. `app` is the ASGI application; `close` ends its threads."""

    def __init__(
        self, name: str, registry: Registry, metrics: Metrics, limits: RequestLimits
    ) -> None:
        self._name = name
        self._registry = registry
        self._metrics = metrics
        self._limits = limits
        self._in_flight = 0  # the event loop's alone
        self._threads = ThreadPoolExecutor(limits.threads, thread_name_prefix="predict")
        model = "/v2/models/{name}"
        version = model + "/versions/{version}"
        routes = [
            Route("/v2", self._server),
            Route("/v2/health/live", self._live),
            Route("/v2/health/ready", self._ready),
            Route("/metrics", self._metrics_text),
        ]
        for path in (model, version):
            routes += [
                Route(path, self._model),
                Route(f"{path}/ready", self._model_ready),
                Route(f"{path}/infer", self._infer, methods=["POST"]),
            ]
        self.app = Starlette(
            routes=routes,
            exception_handlers={HTTPException: _http_error, Exception: _internal_error},
        )

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)

    async def _server(self, _: Request) -> Response:
        return JSONResponse({"name": SERVER_NAME, "version": SERVER_VERSION, "extensions": []})

    async def _live(self, _: Request) -> Response:
        return JSONResponse({"live": True})

    async def _ready(self, _: Request) -> Response:
        ready = self._registry.current() is not None
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    async def _metrics_text(self, _: Request) -> Response:
        return Response(self._metrics.text(), headers={"content-type": CONTENT_TYPE_LATEST})

    async def _model(self, request: Request) -> Response:
        current = self._named(request)
        version = None if current is None else current.manifest.version
        document = protocol.description(self._name, version)
        refusal = self._registry.refusal()
        if current is not None:
            manifest = current.manifest
            document["parameters"] = {"accuracy": manifest.accuracy, "sha256": manifest.sha256}
        if refusal is not None:
            document.setdefault("parameters", {})["refused"] = asdict(refusal)
        return JSONResponse(document)

    async def _model_ready(self, request: Request) -> Response:
        current = self._named(request)
        ready = current is not None
        return JSONResponse({"name": self._name, "ready": ready}, 200 if ready else 503)

    def _named(self, request: Request) -> Servable | None:
        """What the path names. 404 for another name, or a version that does not serve."""
        name, version = request.path_params["name"], request.path_params.get("version")
        if name != self._name:
            raise HTTPException(404, f"model {protocol.shown(name)}: here is {self._name!r} only")
        current = self._registry.current()
        if version is not None and (current is None or version != str(current.manifest.version)):
            serving = "none" if current is None else repr(str(current.manifest.version))
            raise HTTPException(
                404,
                f"version {protocol.shown(version)} does not serve; {serving} does: leave "
                "'/versions/...' out for the best",
            )
        return current

    async def _infer(self, request: Request) -> Response:
        begin = time.monotonic()
        code = 500
        try:
            response = await self._limited(request)
            code = response.status_code
            return response
        except HTTPException as error:
            code = error.status_code
            raise
        finally:
            self._metrics.requests.labels(str(code)).inc()
            self._metrics.seconds.observe(time.monotonic() - begin)

    async def _limited(self, request: Request) -> Response:
        if self._in_flight >= self._limits.in_flight:
            raise HTTPException(
                503,
                f"{self._in_flight} requests are being answered, the most at once: try again",
                {"retry-after": "1"},
            )
        self._in_flight += 1
        self._metrics.in_flight.set(self._in_flight)
        try:
            return await self._answered(request)
        finally:
            self._in_flight -= 1
            self._metrics.in_flight.set(self._in_flight)

    async def _answered(self, request: Request) -> Response:
        current = self._named(request)
        if current is None:
            raise HTTPException(503, "no model serves yet: try again", {"retry-after": "5"})
        body = await self._body(request)
        try:
            wanted = protocol.parse(body, self._limits.batch)
        except protocol.BadRequest as error:
            raise HTTPException(400, str(error)) from error
        self._metrics.rows.observe(len(wanted.images))
        scores, servable = await self._predict(current, wanted.images)
        return JSONResponse(
            protocol.answer(wanted, scores, self._name, servable.manifest.version)
        )

    async def _body(self, request: Request) -> bytes:
        limit = self._limits.body_bytes
        too_large = HTTPException(413, f"body: more than {limit} bytes; send fewer images at once")
        if int(request.headers.get("content-length", 0)) > limit:
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > limit:
                        raise too_large
        except TimeoutError as error:
            raise HTTPException(
                408,
                f"body: not whole within {self._limits.body_seconds:g} s",
                {"connection": "close"},
            ) from error
        except ClientDisconnect as error:
            raise HTTPException(400, "body: the connection ended before it") from error
        return bytes(body)

    async def _predict(self, servable: Servable, images: Images) -> tuple[Scores, Servable]:
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._threads, self._predict_now, servable, images)
        try:
            return await asyncio.wait_for(work, self._limits.predict_seconds)
        except TimeoutError as error:
            raise HTTPException(
                503,
                f"no answer within {self._limits.predict_seconds:g} s: try again",
                {"retry-after": "1"},
            ) from error

    def _predict_now(self, servable: Servable, images: Images) -> tuple[Scores, Servable]:
        """On a thread. A model that breaks hands over to the one before, with this very request."""
        try:
            return self._scores(servable, images), servable
        except Exception as error:  # of TensorFlow
            log.exception("version %d broke while it served", servable.manifest.version)
            message = f"it broke while it served: {error}"
            fallback = self._registry.roll_back(servable, message)
            if fallback is None or fallback is servable:
                raise
            return self._scores(fallback, images), fallback

    def _scores(self, servable: Servable, images: Images) -> Scores:
        begin = time.monotonic()
        scores = servable.predict(images)
        self._metrics.predict_seconds.observe(time.monotonic() - begin)
        if not np.isfinite(scores).all():
            raise ArithmeticError("scores that are not finite")
        return scores


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _internal_error(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": "the server failed; its log says how"}, 500)

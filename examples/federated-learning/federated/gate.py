"""The only way from the sites to the SuperLink: a TLS proxy that passes Fleet calls and nothing else.

A SuperLink serves three APIs at one port. Fleet wants a registered key; Control wants nothing, and who
reaches it runs code on every site. So the SuperLink listens on loopback, and this stands in front of
it. Paths are compared whole, so there is nothing to encode around. Registering is not among them:
keys are registered by the operator, over Control.

    python -m federated.gate --listen 0.0.0.0:9443 --certificate FILE --key FILE
                             --superlink 127.0.0.1:8000 --ca FILE
"""

import argparse
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

log = logging.getLogger(__name__)

PASSED = tuple(
    f"/v1/fleet/{call}"
    for call in (
        "activate-node",
        "deactivate-node",
        "send-node-heartbeat",
        "pull-messages",
        "push-messages",
        "get-run",
        "get-fab",
        "push-object",
        "pull-object",
        "confirm-message-received",
    )
)
# A model of this example has 150 KB.
MAX_BODY = 64 * 1024 * 1024
_HOP_BY_HOP = {
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
# httpx has already decoded what it hands over.
_NOT_BACK = _HOP_BY_HOP | {"content-encoding"}


async def _body(request: Request) -> bytes | None:
    """The request's body, None if it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body.extend(chunk)
        if len(body) > MAX_BODY:
            return None
    return bytes(body)


def create_app(superlink: httpx.AsyncClient) -> Starlette:
    async def forward(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return PlainTextResponse("too large\n", 413)
        headers = [
            (name, value)
            for name, value in request.headers.items()
            if name.lower() not in _HOP_BY_HOP
        ]
        try:
            answer = await superlink.post(request.url.path, content=body, headers=headers)
        except httpx.HTTPError as error:
            log.warning("SuperLink: %s", error or type(error).__name__)
            # 503 is what a SuperNode retries.
            return PlainTextResponse("the SuperLink is away\n", 503)
        kept = {
            name: value for name, value in answer.headers.items() if name.lower() not in _NOT_BACK
        }
        return Response(answer.content, answer.status_code, kept)

    async def health(_: Request) -> Response:
        try:
            answer = await superlink.get("/health")
        except httpx.HTTPError:
            return PlainTextResponse("the SuperLink is away\n", 503)
        return PlainTextResponse("ok\n" if answer.is_success else "not ready\n", answer.status_code)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with superlink:
            yield

    routes = [Route(path, forward, methods=["POST"]) for path in PASSED]
    routes.append(Route("/health", health, methods=["GET"]))
    return Starlette(routes=routes, lifespan=lifespan)


def main() -> None:
    parser = argparse.ArgumentParser(description="Passes Fleet calls to a SuperLink")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--certificate", required=True, metavar="FILE")
    parser.add_argument("--key", required=True, metavar="FILE")
    parser.add_argument("--superlink", required=True, metavar="HOST:PORT")
    parser.add_argument("--ca", required=True, metavar="FILE")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    superlink = httpx.AsyncClient(
        base_url=f"https://{arguments.superlink}",
        verify=ssl.create_default_context(cafile=arguments.ca),
        timeout=60.0,
        trust_env=False,
    )
    host, port = arguments.listen.rsplit(":", 1)
    uvicorn.run(
        create_app(superlink),
        host=host,
        port=int(port),
        ssl_certfile=arguments.certificate,
        ssl_keyfile=arguments.key,
        access_log=False,
        server_header=False,
    )


if __name__ == "__main__":
    main()

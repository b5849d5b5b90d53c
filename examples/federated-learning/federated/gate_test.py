import asyncio
import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest

from federated import gate


class SuperLink:
    """Stands for the SuperLink: notes what reaches it."""

    def __init__(self) -> None:
        self.seen: list[httpx.Request] = []
        self.away = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("refused")
        self.seen.append(request)
        return httpx.Response(200, content=b"answer", headers={"content-type": "application/x-p"})


@pytest.fixture
def superlink() -> SuperLink:
    return SuperLink()


def ask(superlink: SuperLink, call: Callable[[httpx.AsyncClient], object]) -> httpx.Response:
    async def run() -> httpx.Response:
        behind = httpx.AsyncClient(
            base_url="https://superlink", transport=httpx.MockTransport(superlink)
        )
        transport = httpx.ASGITransport(gate.create_app(behind))
        async with httpx.AsyncClient(base_url="https://gate", transport=transport) as client:
            return await call(client)  # type: ignore[misc, no-any-return]

    return asyncio.run(run())


def test_passes_fleet_calls_with_body_and_signature(superlink: SuperLink) -> None:
    headers = {"flwr-signature": "s", "content-type": "application/x-protobuf"}
    answer = ask(
        superlink,
        lambda client: client.post("/v1/fleet/pull-messages", content=b"body", headers=headers),
    )
    assert (answer.status_code, answer.content) == (200, b"answer")
    assert answer.headers["content-type"] == "application/x-p"
    assert superlink.seen[0].content == b"body"
    assert superlink.seen[0].headers["flwr-signature"] == "s"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/control/start-run",
        "/v1/control/list-nodes",
        "/v1/runtime/acquire-task",
        "/v1/fleet/register-node",
        "/v1/fleet/unregister-node",
        "/v1/fleet",
        "/v1/fleet/",
        "/v1/fleet/pull-messages/../../control/start-run",
        "/v1/fleet/..%2fcontrol/start-run",
        "/v1/fleet/%2e%2e/control/start-run",
        "//v1/control/start-run",
        "/docs",
        "/openapi.json",
        "/",
    ],
)
def test_nothing_else_reaches_the_superlink(superlink: SuperLink, path: str) -> None:
    answer = ask(superlink, lambda client: client.post(path, content=b"x"))
    assert answer.status_code in (404, 405)
    assert superlink.seen == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_post_passes(superlink: SuperLink, method: str) -> None:
    answer = ask(superlink, lambda client: client.request(method, "/v1/fleet/pull-messages"))
    assert answer.status_code == 405
    assert superlink.seen == []


def test_a_large_body_is_refused(superlink: SuperLink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MAX_BODY", 100)
    answer = ask(
        superlink, lambda client: client.post("/v1/fleet/push-object", content=b"x" * 101)
    )
    assert answer.status_code == 413
    assert superlink.seen == []


def test_says_503_while_the_superlink_is_away(superlink: SuperLink) -> None:
    superlink.away = True
    answer = ask(superlink, lambda client: client.post("/v1/fleet/pull-messages", content=b""))
    assert answer.status_code == 503
    assert ask(superlink, lambda client: client.get("/health")).status_code == 503


def test_every_passed_path_is_one_that_flower_serves() -> None:
    """In a process of its own: the SuperLink's modules set up more than a test wants."""
    program = (
        "from flwr.superlink.routers.fleet.router import router\n"
        "print('\\n'.join(route.path for route in router.routes))"
    )
    served = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert set(gate.PASSED) <= set(served)
    assert set(served) - set(gate.PASSED) == {
        "/v1/fleet/register-node",
        "/v1/fleet/unregister-node",
    }

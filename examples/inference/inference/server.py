"""uvicorn with the limits that it does not have itself."""

import asyncio
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTIONS = 512
_HEADER_BYTES = 16 * 1024


def bounded_protocol(header_seconds: float) -> type[H11Protocol]:
    """A connection whose next request's headers are not whole in that time is closed.

    uvicorn bounds the pause between two requests only: a client that sends half a header, or nothing
    at all, would keep its connection for ever.
    """

    class Bounded(H11Protocol):
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._expect()

        def connection_lost(self, exc: Exception | None) -> None:
            self._disarm()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._is_answering():
                self._disarm()
            elif self._deadline is None:
                self._expect()

        def _is_answering(self) -> bool:
            return self.cycle is not None and not self.cycle.response_complete

        def _expect(self) -> None:
            self._deadline = self.loop.call_later(header_seconds, self._overdue)

        def _disarm(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _overdue(self) -> None:
            self._deadline = None
            if not self._is_answering() and not self.transport.is_closing():
                self.transport.close()

    return Bounded


def server(app: ASGIApp, host: str, port: int, header_seconds: float = 10.0) -> uvicorn.Server:
    """`run()` returns after SIGTERM, when what was begun is answered."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=bounded_protocol(header_seconds),
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=10,
            h11_max_incomplete_event_size=_HEADER_BYTES,
        )
    )

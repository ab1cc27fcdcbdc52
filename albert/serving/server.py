"""Listening: a socket, connections that must not dawdle, an end in good order."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import json
import math
import socket
import time
from typing import Any, Optional

from absl import logging

from albert.base.errors import UserError
from albert.base.optional import extra
from albert.base.signals import Terminated
from albert.serving.service import Service
from albert.serving.service_config import ServiceConfig

with extra("serve"):
    import h11
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

_KEEP_ALIVE_SECONDS = 20
_MAX_HEAD_BYTES = 16 * 1024


def _make_refusal(status: str, message: str, **headers: str) -> bytes:
    """Return an answer given before there is a request; it closes the connection."""
    body = json.dumps({"error": message}).encode()
    headers |= {"Content-Type": "application/json", "Connection": "close"}
    headers["Content-Length"] = str(len(body))
    lines = [f"{name.replace('_', '-')}: {text}\r\n" for name, text in headers.items()]
    return f"HTTP/1.1 {status}\r\n{''.join(lines)}\r\n".encode() + body


_TOO_SLOW = _make_refusal("408 Request Timeout", "the request was not whole in time")
_TOO_MANY = _make_refusal(
    "503 Service Unavailable",
    "there are too many connections; come again later",
    Retry_After="1",
)


def bind(config: ServiceConfig) -> socket.socket:
    """Return a socket at the address of a config, which does not listen yet.

    Raises:
        UserError: the address is no address of this machine, or its port is in use.
    """
    where = f"{config.host}:{config.port}"
    try:
        found = socket.getaddrinfo(
            *(config.host, config.port),
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
    except (socket.gaierror, UnicodeError) as error:
        raise UserError(f"--host: there is no address {config.host!r}") from error
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise UserError(
                f"--port: {where} is in use; give another --port, or 0 for a free one"
            ) from error
        raise UserError(f"cannot listen at {where}: {error.strerror}") from error
    return listener


def name_address(listener: socket.socket) -> str:
    """Return the URL of a socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine reaches a socket."""
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def run(service: Service, listener: socket.socket) -> None:
    """Serve until SIGTERM, then finish what was accepted and return.

    Raises:
        Terminated: SIGTERM came, and some requests took longer than a config's
            `shutdown_timeout`.
        KeyboardInterrupt: Ctrl-C, after what was accepted is finished.
    """
    config = service.config
    server = _Server(
        uvicorn.Config(
            service,
            loop="asyncio",
            http=_make_protocol(config),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,  # the service writes its own, without queries
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=math.ceil(config.shutdown_timeout),
            h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
        )
    )
    try:
        server.run(sockets=[listener])
    except Terminated:
        if service.cut_off:
            logging.error("%d requests were not finished in time", service.cut_off)
            raise
        logging.info("Stopped by SIGTERM; every accepted request was answered")
    finally:
        service.batcher.close(timeout=max(0.0, server.deadline - time.monotonic()))


class _Server(uvicorn.Server):
    """Names its address, and the answers that nobody took when it ends."""

    deadline = 0.0  # of time.monotonic(), once it ends

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        names = ", ".join(self.config.app.models)
        logging.info("Serving %s at %s", names, name_address(sockets[0]))

    async def shutdown(self, sockets: Any = None) -> None:
        self.deadline = time.monotonic() + self.config.app.config.shutdown_timeout
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            if connection.transport.get_write_buffer_size():
                connection.cut_off()


def _make_protocol(config: ServiceConfig) -> type:
    class Protocol(_TimedProtocol):
        seconds = config.request_timeout
        max_connections = config.max_connections

    return Protocol


class _TimedProtocol(H11Protocol):
    """A connection on which requests must come, and answers be taken, in time.

    uvicorn waits for both for ever; it closes connections between requests alone.
    """

    seconds: float
    max_connections: int
    _head_timer: Optional[asyncio.TimerHandle] = None
    _answer_timer: Optional[asyncio.TimerHandle] = None
    _ending = False

    def connection_made(self, transport: Any) -> None:
        # Writing pauses whenever the system takes less than all of an answer.
        transport.set_write_buffer_limits(high=0)
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            transport.write(_TOO_MANY)
            transport.close()
        self._watch_head()

    def connection_lost(self, error: Optional[Exception]) -> None:
        self._stop_watching()
        self._stop_waiting()
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.trailing_data[0]:  # the next request has begun already
            self._watch_head()

    def shutdown(self) -> None:
        self._ending = True
        super().shutdown()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._answer_timer = self.loop.call_later(self.seconds, self.cut_off)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None

    def cut_off(self) -> None:
        """Close the connection though its client has not taken the answer whole."""
        self._stop_waiting()
        logging.warning("a client did not take its answer in time")
        if self._ending:
            self.config.app.cut_off += 1
        self.transport.abort()

    def _watch_head(self) -> None:
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._stop_watching()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.seconds, self._give_up)

    def _stop_watching(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.write(_TOO_SLOW)
            self.transport.close()

"""The HTTP service: routes, limits, what is asked of a request before its model is."""

from __future__ import annotations

import asyncio
import hmac
import time
import traceback
from concurrent.futures import Future
from typing import Any, Mapping, Optional, Protocol, Sequence

from absl import logging

from albert.base.errors import UserError
from albert.serving import service_routes
from albert.serving.batching import (
    Batcher,
    Closed,
    QueueFull,
)
from albert.serving.service_config import ServiceConfig
from albert.serving.service_metrics import Metrics
from albert.serving.service_schema import PredictRequest, WrongRequest
from albert.serving.texts import Input, check_inputs, count_characters

PATHS = ("/", "/healthz", "/metrics", "/openapi.json", "/v1/model", "/v1/predict")
OPEN_PATHS = ("/", "/healthz")  # asked for no token


class Model(Protocol):
    """What is served: see `albert.serving.predictor.Predictor`."""

    second: Optional[str]

    def predict(self, texts: Sequence[Input], min_score: float) -> Sequence[Any]:
        """Return what to say of each text, ready for JSON."""

    def describe(self) -> Mapping[str, Any]:
        """Return what the model is, ready for JSON."""


class Service:
    """An ASGI application: counts, logs and guards what FastAPI answers."""

    def __init__(
        self,
        models: Mapping[str, Model],
        config: ServiceConfig,
        token: Optional[bytes] = None,
    ):
        """Start the thread that predicts.

        Args:
            models: by name; the first is the default.
            config: limits; where to listen does not matter here.
            token: that requests must bear, or None.
        """
        self.models = dict(models)
        self.config = config
        self.cut_off = 0  # requests and answers that shutting down did not wait for
        self.metrics = Metrics(lambda: len(self.batcher))
        self.batcher = Batcher(
            self._predict,
            queue_size=config.queue_size,
            wait_seconds=config.batch_wait_ms / 1000,
            max_characters=config.batch_characters,
            on_batch=self.metrics.count_batch,
        )
        self._token = token
        self._app = service_routes.make_app(self)

    def _predict(self, key: tuple[str, float], texts: Sequence[Input]) -> Sequence[Any]:
        name, min_score = key
        return self.models[name].predict(texts, min_score)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, see the ASGI specification; nothing of a text is logged."""
        if scope["type"] != "http":
            return
        exchange = _Exchange(scope, receive, send)
        path = scope["path"] if scope["path"] in PATHS else "(unknown)"
        start = time.monotonic()
        try:
            refusal = self._refuse(scope)
            app = self._app if refusal is None else refusal
            await app(scope, exchange.receive, exchange.send)
        except asyncio.CancelledError:
            self.cut_off += 1
            raise
        except Exception as error:  # noqa: BLE001, FastAPI has answered with a 500
            # Its message might hold a text; the lines of the program do not.
            trace = "".join(traceback.format_tb(error.__traceback__))
            logging.error("%s in %s\n%s", type(error).__name__, path, trace)
        finally:
            seconds = time.monotonic() - start
            self.metrics.count_request(path, exchange.status, seconds)
            client = (scope.get("client") or ["-"])[0]
            method = scope["method"] if scope["method"].isalpha() else "-"
            logging.info(
                "%s %s %s %d %.1f ms",
                *(client, method[:10], path, exchange.status, seconds * 1000),
            )

    def _refuse(self, scope: Any) -> Any:
        """Return the answer to a request without the token."""
        if self._token is None or scope["path"] in OPEN_PATHS:
            return None
        given = dict(scope["headers"]).get(b"authorization", b"")
        kind, _, token = given.partition(b" ")
        # Compared in constant time: how long it takes tells nothing of the token.
        same = hmac.compare_digest(token.strip(), self._token)
        if same and kind.lower() == b"bearer":
            return None
        message = "give the token in the header 'Authorization: Bearer TOKEN'"
        headers = {"WWW-Authenticate": "Bearer"}
        return service_routes.make_failure(401, message, headers)

    def submit(self, request: PredictRequest) -> tuple[str, Future]:
        """Return the model's name and the future of its results.

        Raises:
            WrongRequest: 404, 422 or 503.
        """
        name = next(iter(self.models)) if request.model is None else request.model
        if name not in self.models:
            known = ", ".join(self.models)
            raise WrongRequest(404, f"there is no such model; there is {known}")
        texts = request.all_texts()
        check_lengths(texts, self.config)
        _check_kind(request, texts, self.models[name].second)
        try:
            return name, self.batcher.submit((name, request.min_score), texts)
        except QueueFull:
            message = f"{self.config.queue_size} requests wait; come again later"
            raise WrongRequest(503, message, Retry_After="1") from None
        except Closed:
            raise WrongRequest(503, "shutting down", Retry_After="5") from None

    def describe(self) -> dict[str, Any]:
        """Return what `/v1/model` says."""
        names = ("max_body_bytes", "max_text_length", "max_texts")
        return {
            "default": next(iter(self.models)),
            "models": [{"name": n, **m.describe()} for n, m in self.models.items()],
            "limits": {name: getattr(self.config, name) for name in names},
        }


class _Exchange:
    """A request and its answer: what became of it."""

    def __init__(self, scope: Any, receive: Any, send: Any):
        self._receive, self._send = receive, send
        headers = dict(scope["headers"])
        # Whether the request has been read to its end.
        length = headers.get(b"content-length", b"0")
        self._whole = length == b"0" and b"transfer-encoding" not in headers
        self.status = service_routes.CLIENT_GONE

    async def receive(self) -> Any:
        message = await self._receive()
        if message["type"] == "http.request":
            self._whole = not message.get("more_body", False)
        return message

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message["headers"], (b"x-content-type-options", b"nosniff")]
            if not self._whole:
                headers.append((b"connection", b"close"))  # what follows is not read
            message = {**message, "headers": headers}
        await self._send(message)


def _check_kind(
    request: PredictRequest, texts: Sequence[Input], second: Optional[str]
) -> None:
    """Raise WrongRequest where a model takes pairs, or no pairs, or other ones."""
    for name in request.second_fields():
        if second is not None and name != second:
            raise WrongRequest(422, f"the model takes text and {second}, not {name}")
    try:
        check_inputs(texts, second)
    except UserError as error:
        raise WrongRequest(422, str(error)) from None


def check_lengths(texts: Sequence[Input], config: ServiceConfig) -> None:
    """Raise WrongRequest for too many texts, or one that is too long."""
    if len(texts) > config.max_texts:
        raise WrongRequest(
            422, f"a request has at most {config.max_texts} texts, not {len(texts)}"
        )
    for number, text in enumerate(texts, 1):
        if count_characters(text) > config.max_text_length:
            raise WrongRequest(
                422,
                f"text {number} has {count_characters(text)} characters, more than the "
                f"{config.max_text_length} that are allowed",
            )

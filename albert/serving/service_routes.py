"""The routes of the HTTP service, made with FastAPI."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Mapping, Optional

from albert import __version__
from albert.base.optional import extra
from albert.serving.page import load_page
from albert.serving.service_config import ServiceConfig
from albert.serving.service_metrics import CONTENT_TYPE
from albert.serving.service_schema import (
    Failure,
    ModelList,
    PredictResponse,
    WrongRequest,
    parse_request,
    request_schema,
)
from albert.serving.texts import count_characters

if TYPE_CHECKING:
    from albert.serving.service import Service

with extra("serve"):
    from fastapi import FastAPI, Request
    from fastapi.responses import JSONResponse, Response
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect

CLIENT_GONE = 499  # no status of HTTP; proxies log it so
# Of a body that is too long, this many times the limit is read and thrown away, so that
# the client, still sending, gets to read the answer.
_DRAINED = 16


def make_app(service: Service) -> FastAPI:
    """Return the routes of a service, an ASGI application."""
    app = FastAPI(
        title="albert",
        version=__version__,
        description="What models say of Chinese text, with probabilities.",
        docs_url=None,  # its pages load scripts from other hosts
        redoc_url=None,
    )
    page = load_page()
    failures = {status: {"model": Failure} for status in (400, 401, 404, 408, 413, 415)}
    failures |= {status: {"model": Failure} for status in (422, 500, 503)}

    @app.get("/", include_in_schema=False)
    async def show_page() -> Response:
        return Response(page.body, headers=page.headers)

    @app.get("/healthz", summary="Whether the service works")
    async def show_health() -> Response:
        alive = service.batcher.alive
        status = "ok" if alive else "the thread that predicts has ended"
        return JSONResponse({"status": status}, 200 if alive else 503)

    @app.get("/metrics", summary="Counters, for Prometheus")
    async def show_metrics() -> Response:
        return Response(service.metrics.show(), headers={"Content-Type": CONTENT_TYPE})

    @app.get(
        "/v1/model", summary="The models and limits", responses={200: _as(ModelList)}
    )
    async def show_models() -> Response:
        return JSONResponse(service.describe())

    @app.post(
        "/v1/predict",
        summary="Label one text or several",
        responses={200: _as(PredictResponse), **failures},
        openapi_extra={"requestBody": request_schema()},
    )
    async def predict(request: Request) -> Response:
        wanted = parse_request(await _read_body(request, service.config))
        name, future = service.submit(wanted)
        results = await _wait_while_there(request, future)
        service.metrics.count_characters(sum(map(count_characters, wanted.all_texts())))
        return JSONResponse({"model": name, "results": results})

    _answer_failures(app)
    return app


def _answer_failures(app: FastAPI) -> None:
    """Turn what goes wrong in a route into an answer of one form."""

    @app.exception_handler(WrongRequest)
    async def refuse(request: Request, error: WrongRequest) -> Response:
        return make_failure(error.status, str(error), error.headers)

    @app.exception_handler(HTTPException)  # no such path, or not with this method
    async def refuse_route(request: Request, error: HTTPException) -> Response:
        return make_failure(error.status_code, error.detail, error.headers)

    @app.exception_handler(ClientDisconnect)
    async def give_up(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=CLIENT_GONE)  # which nobody reads

    @app.exception_handler(Exception)
    async def confess(request: Request, error: Exception) -> Response:
        return make_failure(500, "the service has failed; its log says where")


def _as(model: type) -> dict[str, Any]:
    return {"model": model}


def make_failure(
    status: int, message: str, headers: Optional[Mapping[str, str]] = None
) -> Response:
    """Return the answer that says in one line what was wrong."""
    return JSONResponse({"error": message}, status, headers=dict(headers or {}))


async def _read_body(request: Request, config: ServiceConfig) -> bytes:
    """Return the body of a request, within the limits of time and size."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":  # also keeps other sites' forms out
        raise WrongRequest(415, "the header Content-Type must be application/json")
    try:
        return await asyncio.wait_for(
            _gather_body(request, config.max_body_bytes), config.request_timeout
        )
    except asyncio.TimeoutError:
        message = f"the request was not whole in {config.request_timeout:g} seconds"
        raise WrongRequest(408, message, Connection="close") from None


async def _gather_body(request: Request, limit: int) -> bytes:
    too_long = WrongRequest(413, f"a request has at most {limit} bytes")
    declared = int(request.headers.get("content-length", 0))
    if declared > limit and "expect" in request.headers:  # it waits to be told to send
        raise too_long
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size <= limit:
            parts.append(part)
        elif size > _DRAINED * limit:
            break
    if size > limit:
        raise too_long
    return b"".join(parts)


async def _wait_while_there(request: Request, future: Future) -> Any:
    """Return the results; if the client goes, raise ClientDisconnect and drop them."""
    results = asyncio.wrap_future(future)
    gone = asyncio.ensure_future(_wait_for_disconnect(request))
    try:
        await asyncio.wait({results, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not results.done():
            raise ClientDisconnect
        return await results
    finally:
        gone.cancel()
        results.cancel()  # which takes it off the queue


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

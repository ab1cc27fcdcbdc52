"""What requests and answers of the service look like; OpenAPI is made of this."""

from __future__ import annotations

from typing import Any, Optional

from albert.base.optional import extra

with extra("serve"):
    from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator


class WrongRequest(Exception):
    """A request that cannot be answered: an HTTP status, and a line that says why."""

    def __init__(self, status: int, message: str, **headers: str):
        """Keep the answer; `Retry_After="1"` is the header Retry-After."""
        super().__init__(message)
        self.status = status
        self.headers = {name.replace("_", "-"): v for name, v in headers.items()}


class PredictRequest(BaseModel):
    """One text, or a list of texts."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        protected_namespaces=(),
        json_schema_extra={"oneOf": [{"required": ["text"]}, {"required": ["texts"]}]},
    )

    text: Optional[str] = Field(None, description="The text to label.")
    texts: Optional[list[str]] = Field(None, description="Several texts.")
    model: Optional[str] = Field(
        None, description="The model's name; the first model where there is none."
    )
    min_score: float = Field(
        0.0, ge=0, le=1, description="Entities below this probability are left out."
    )

    @model_validator(mode="after")
    def _check_texts(self) -> PredictRequest:
        if (self.text is None) == (self.texts is None):
            raise ValueError("give either text or texts")
        return self

    def all_texts(self) -> list[str]:
        """Return the texts, however many."""
        return [self.text] if self.texts is None else self.texts


class Entity(BaseModel):
    """A named entity; its place is in characters (code points) of the text."""

    type: str
    start: int
    end: int = Field(description="One past its last character.")
    surface: str = Field(description="text[start:end]")
    score: float = Field(description="The probability of exactly this entity, 0 to 1.")


class Result(BaseModel):
    """What a model says of a text."""

    text: str
    entities: list[Entity]


class PredictResponse(BaseModel):
    """`results` has an entry for each text, in their order."""

    model: str
    results: list[Result]


class ModelList(BaseModel):
    """The models that are served, and the limits of requests."""

    default: str
    models: list[dict[str, Any]]
    limits: dict[str, int]


class Failure(BaseModel):
    """What was wrong, in one line."""

    error: str


def parse_request(body: bytes) -> PredictRequest:
    """Return the request that a body holds.

    Raises:
        WrongRequest: 400 for a body that is no JSON, 422 for JSON that is no request.
            The message holds nothing of the body but the names of its fields.
    """
    try:
        return PredictRequest.model_validate_json(body)
    except ValidationError as error:
        wrong = error.errors(
            include_url=False, include_input=False, include_context=False
        )[0]
    if wrong["type"] == "json_invalid":
        raise WrongRequest(400, f"the body is no JSON: {_tidy(wrong['msg'])}")
    place = ".".join(map(str, wrong["loc"]))
    message = f"{place}: {wrong['msg']}" if place else _tidy(wrong["msg"])
    raise WrongRequest(422, message[:300])


def _tidy(message: str) -> str:
    for prefix in ("Invalid JSON: ", "Value error, "):
        message = message[len(prefix) :] if message.startswith(prefix) else message
    return message


def request_schema() -> dict[str, Any]:
    """Return OpenAPI's description of the body of a request."""
    schema = PredictRequest.model_json_schema()
    return {"required": True, "content": {"application/json": {"schema": schema}}}

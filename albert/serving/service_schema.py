"""What requests and answers of the service look like; OpenAPI is made of this."""

from __future__ import annotations

from typing import Any, Optional, Union

from albert.base.optional import extra
from albert.serving.texts import Input

with extra("serve"):
    from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator


class WrongRequest(Exception):
    """A request that cannot be answered: an HTTP status, and a line that says why."""

    def __init__(self, status: int, message: str, **headers: str):
        """Keep the answer; `Retry_After="1"` is the header Retry-After."""
        super().__init__(message)
        self.status = status
        self.headers = {name.replace("_", "-"): v for name, v in headers.items()}


# What models that take two texts call the second one.
SECOND_FIELDS = ("text_b", "question")


class PredictRequest(BaseModel):
    """One text, or a list of texts; for models that take two, one pair or a list."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        protected_namespaces=(),
        json_schema_extra={"oneOf": [{"required": ["text"]}, {"required": ["texts"]}]},
    )

    text: Optional[str] = Field(None, description="The text to label.")
    text_b: Optional[str] = Field(
        None, description="The second text, for models of pairs; beside text."
    )
    question: Optional[str] = Field(
        None, description="The question, for models that answer some; beside text."
    )
    texts: Optional[list[Union[str, tuple[str, str]]]] = Field(
        None, description="Several texts, or several pairs, each a list of two."
    )
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
        if self.second_fields() and self.text is None:
            raise ValueError("in texts a pair is a list of two texts")
        if len(self.second_fields()) > 1:
            raise ValueError("give one of text_b and question")
        return self

    def second_fields(self) -> list[str]:
        """Return the names of second texts that were given."""
        return [name for name in SECOND_FIELDS if getattr(self, name) is not None]

    def all_texts(self) -> list[Input]:
        """Return the texts or pairs, however many."""
        if self.texts is not None:
            return self.texts
        pairs = [(self.text, getattr(self, name)) for name in self.second_fields()]
        return pairs or [self.text]


class Entity(BaseModel):
    """A named entity; its place is in characters (code points) of the text."""

    type: str
    start: int
    end: int = Field(description="One past its last character.")
    surface: str = Field(description="text[start:end]")
    score: float = Field(description="The probability of exactly this entity, 0 to 1.")
    source: Optional[str] = Field(
        None, description='"dictionary" where a term of the service\'s has brought it.'
    )


class EntityResult(BaseModel):
    """What a model of the task ner says of a text."""

    text: str
    entities: list[Entity]


class ClassResult(BaseModel):
    """What a model of the task classification says of a text or a pair."""

    text: str
    text_b: Optional[str] = None
    label: str = Field(description="The most probable label.")
    probabilities: dict[str, float] = Field(description="Of each label.")


class AnswerResult(BaseModel):
    """What a model of the task mrc answers to a question about a text."""

    text: str
    question: str
    answer: str = Field(description="A part of the text; empty for no answer.")
    start: Optional[int] = Field(description="Its first character in the text.")
    end: Optional[int] = Field(description="The character after its last one.")
    score: float = Field(description="The probability of the best answer, 0 to 1.")
    null_score: Optional[float] = Field(
        None, description="What speaks for no answer, of models that may give none."
    )


class PredictResponse(BaseModel):
    """`results` has an entry for each text, in their order."""

    model: str
    results: list[Union[EntityResult, ClassResult, AnswerResult]]


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
    first, *inner = [*wrong["loc"], ""]
    numbers = [part for part in inner if isinstance(part, int)]  # no names of types
    place = ".".join(map(str, [first, *numbers])) if first != "" else ""
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

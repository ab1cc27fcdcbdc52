"""What the HTTP service is told: its models, where it listens, its limits."""

from __future__ import annotations

import dataclasses
import re
from typing import Optional

from albert.base.errors import UserError
from albert.base.files import resolve_path
from albert.base.settings import (
    INPUT_FILE,
    INPUT_FOLDER,
    Settings,
    above,
    at_least,
    in_range,
    setting,
    setting_of,
)
from albert.serving.prediction_config import FLOAT32, PredictionConfig

DEFAULT_MODEL = "default"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)
_TOKEN = re.compile(rb"[\x21-\x7e]+")  # what a header can hold, without spaces


@dataclasses.dataclass(frozen=True)
class ServiceConfig(Settings):
    """The flags of `serve.py`."""

    model_dir: Optional[str] = setting(
        None,
        f"The folder of a trained model; requests call it `{DEFAULT_MODEL}`.",
        path=INPUT_FOLDER,
    )
    model: tuple[str, ...] = setting(
        (),
        "More models, as name=folder; may be given several times, or with commas. A "
        "request that names none goes to the first model.",
    )
    dictionary: tuple[str, ...] = setting(
        (),
        "A file of terms for the first model, or name=file for the model of that "
        "name; may be given several times, or with commas. The terms are as those of "
        "predict.py.",
    )
    precision: str = setting_of(PredictionConfig, "precision", FLOAT32)
    host: str = setting(
        "127.0.0.1",
        "The address to listen at. The default is reached from this machine only; "
        "0.0.0.0 is every network of it.",
    )
    port: int = setting(
        8000, "The port to listen at; 0 takes a free one.", check=in_range(0, 65535)
    )
    token_file: Optional[str] = setting(
        None,
        "A file whose one line is the token that requests must bear; all but the page "
        "itself and /healthz ask for it.",
        path=INPUT_FILE,
    )
    max_body_bytes: int = setting(
        1_000_000, "The longest request in bytes.", check=at_least(1)
    )
    max_text_length: int = setting(
        20_000, "The longest text in characters.", check=at_least(1)
    )
    max_texts: int = setting(64, "The most texts in a request.", check=at_least(1))
    queue_size: int = setting(
        256,
        "The most requests that wait for the model; further ones are told to come "
        "again later.",
        check=at_least(1),
    )
    batch_wait_ms: float = setting(
        3.0,
        "How long a request waits for others to be computed with, in milliseconds.",
        check=in_range(0, 1000),
    )
    batch_characters: int = setting(
        8_000,
        "The most characters to compute at once; a longer request is alone.",
        check=at_least(1),
    )
    request_timeout: float = setting(
        20.0,
        "Seconds that a client has to send a request whole, and to take its answer.",
        check=above(0),
    )
    max_connections: int = setting(
        1000, "The most connections at a time.", check=at_least(1)
    )
    shutdown_timeout: float = setting(
        30.0,
        "Seconds after SIGTERM in which accepted requests are finished.",
        check=above(0),
    )

    def validate(self) -> None:
        """Check that there are models, with names of their own."""
        if not self.folders():
            raise UserError("--model_dir or --model must be given")
        self.dictionaries()

    def folders(self) -> dict[str, tuple[str, str]]:
        """Return name -> (folder, the flag that gave it) of every model, in order.

        Raises:
            UserError: a folder is none, or a model has no name, or a wrong one, or
                another's.
        """
        found = {}
        if self.model_dir is not None:
            found[DEFAULT_MODEL] = (self.model_dir, "model_dir")
        for given in self.model:
            name, equals, folder = given.partition("=")
            if not (equals and folder):
                raise UserError(f"--model takes name=folder, got {given!r}")
            if not _NAME.fullmatch(name):
                raise UserError(
                    f"--model: the name {name!r} is not made of up to 64 letters, "
                    "digits, '.', '_' and '-'"
                )
            if name in found:
                raise UserError(f"--model: two models are called {name}")
            found[name] = (resolve_path(folder, INPUT_FOLDER, "model"), "model")
        return found

    def dictionaries(self) -> dict[str, str]:
        """Return name -> file of terms, of the models that have one.

        Raises:
            UserError: there is no such file, or a model has two.
        """
        names, found = list(self.folders()), {}
        for given in self.dictionary:
            name, equals, path = given.partition("=")
            if not (equals and name in names):  # it may stand in a file's name
                name, path = names[0], given
            if name in found:
                raise UserError(f"--dictionary: the model {name} has two files")
            found[name] = resolve_path(path, INPUT_FILE, "dictionary")
        return found


def read_token(path: str) -> bytes:
    """Return the token that a file holds.

    Raises:
        UserError: the file does not hold one line of printable ASCII without spaces.
    """
    with open(path, "rb") as file:
        token = file.read(10_000).strip()
    if not _TOKEN.fullmatch(token):
        raise UserError(
            f"--token_file: {path} must hold one line of printable ASCII characters "
            "without spaces"
        )
    return token

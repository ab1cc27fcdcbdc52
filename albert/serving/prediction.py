"""From texts in files to results in a file: a chunk after the other, in order."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import pathlib
import sys
import time
from typing import IO, Any, Iterable, Iterator, Mapping, Optional

from absl import logging

from albert.base import files
from albert.base.errors import UserError
from albert.base.progress import hide_progress, show_progress
from albert.serving.inputs import Fields, Item, count_bytes, read_items
from albert.serving.outputs import Totals, Writer, make_writer
from albert.serving.prediction_config import PredictionConfig
from albert.serving.predictor import Predictor
from albert.serving.task_predictor import TaskPredictor
from albert.serving.unfinished import InputHash, Unfinished, open_unfinished

# A chunk is what is in memory at once, and what a killed run loses: batches of
# sentences of like length are cut from it.
_CHUNK_BATCHES = 32
_CHUNK_CHARACTERS = 1 << 18


class _Stream:
    """Standard output, written to as `Unfinished` is."""

    progress = None

    def __init__(self, file: IO[bytes]):
        self._file = file

    def write(self, text: str) -> None:
        self._file.write(text.encode("utf-8"))

    def keep(self, *progress: Any) -> None:
        """Let the reader have what was written."""
        del progress
        self._file.flush()

    def finish(self) -> None:
        self._file.flush()


def _check_output(config: PredictionConfig) -> None:
    """Stop before the model is opened where the results have no place to go."""
    if config.output_file is None:
        return
    files.check_output_file(config.output_file, "output_file")
    for path in config.input_file:
        if os.path.realpath(path) == os.path.realpath(config.output_file):
            raise UserError(f"--output_file: {path} is an input file too")


def _check_formats(config: PredictionConfig, predictor: Predictor) -> None:
    """Stop where flags do not suit the task of the model."""
    name, served = predictor.task.name, predictor.of_task
    for flag, value, known in (
        ("input_format", config.input_format, served.input_formats),
        ("output_format", config.output_format, served.output_formats),
    ):
        if value not in known:
            raise UserError(
                f"--{flag}: a model of the task {name} has {', '.join(known)}; got "
                f"{value}"
            )
    if config.min_score and not served.finds_entities:
        raise UserError(f"--min_score: a model of the task {name} finds no entities")
    if config.second_field and served.second is None:
        raise UserError(f"--second_field: this model of the task {name} takes one text")


def _describe(config: PredictionConfig, predictor: Predictor) -> dict[str, Any]:
    """Return what results depend on, beside the input; ready for JSON."""
    terms = None
    if config.dictionary:
        content = pathlib.Path(config.dictionary).read_bytes()
        terms = hashlib.sha256(content).hexdigest()
    return {
        "input_format": config.input_format,
        "text_field": config.text_field,
        "second_field": config.second_field,
        "output_format": config.output_format,
        "min_score": config.min_score,
        "dictionary": terms,
        "precision": config.precision,
        "model": predictor.describe(),
    }


def _cut_into_chunks(items: Iterable[Item], batch_size: int) -> Iterator[list[Item]]:
    chunk: list[Item] = []
    characters = 0
    for item in items:
        chunk.append(item)
        characters += len(item.text) + len(item.second or "")
        if len(chunk) >= batch_size * _CHUNK_BATCHES or characters >= _CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _skip_finished(
    items: Iterator[Item], target: Unfinished, seen: InputHash
) -> Totals:
    """Pass over the items whose results are there already; return their totals."""
    progress = target.progress
    if progress is None:
        return Totals(0, {})
    count = 0
    for item in itertools.islice(items, progress.items):
        seen.add(item.raw)
        count += 1
    if count < progress.items or seen.value() != progress.input_sha256:
        raise UserError(
            f"--resume: the first {progress.items} texts of the input are not those of "
            "before; leave out --resume to begin anew"
        )
    logging.info("going on after %d texts", count)
    return Totals(**progress.totals)


def _predict_all(
    items: Iterator[Item],
    config: PredictionConfig,
    predictor: TaskPredictor,
    writer: Writer,
    target: Unfinished,
) -> Totals:
    """Write the results of all items that `target` does not hold yet."""
    seen = InputHash()
    totals = _skip_finished(items, target, seen)
    done = 0 if target.progress is None else target.progress.items
    if not done:
        target.write(writer.begin())
    for chunk in _cut_into_chunks(items, config.batch_size):
        results = predictor.answer(chunk, config.min_score)
        target.write("".join(map(writer.write, results)))
        for item in chunk:
            seen.add(item.raw)
        done += len(chunk)
        totals = totals.add(results)
        target.keep(done, seen.value(), totals._asdict())
    target.write(writer.end(totals))
    target.finish()
    return totals


@contextlib.contextmanager
def _open_target(
    config: PredictionConfig, settings: Mapping[str, Any], stdout: Optional[IO[bytes]]
) -> Iterator[Any]:
    if config.output_file is None:
        yield _Stream(stdout or sys.stdout.buffer)
        return
    with open_unfinished(config.output_file, settings, config.resume) as target:
        yield target


def _title(config: PredictionConfig) -> str:
    names = [os.path.basename(path) for path in config.input_file[:3]]
    more = ", …" if len(config.input_file) > 3 else ""
    return "Entities" + (f" in {', '.join(names)}{more}" if names else "")


def predict_files(
    config: PredictionConfig, stdout: Optional[IO[bytes]] = None
) -> Totals:
    """Label texts and write the results; return how much there was.

    Args:
        config: what is labelled, by which model, and where the results go.
        stdout: standard output, where the config names no file.

    Raises:
        UserError: the model, the terms or the input are wrong.
        BrokenPipeError: nobody reads standard output any more.
    """
    _check_output(config)
    predictor = Predictor(
        config.model_dir,
        config.batch_size,
        config.dictionary,
        precision=config.precision,
    )
    _check_formats(config, predictor)
    types = predictor.task.labels.types if predictor.of_task.finds_entities else ()
    writer = make_writer(config.output_format, types, _title(config))
    if not config.input_file and sys.stdin.isatty():
        logging.info("reading standard input; Ctrl-D ends it")
    to_terminal = stdout is not None and stdout.isatty()
    show = hide_progress if to_terminal else show_progress
    settings = _describe(config, predictor)
    second = predictor.of_task.second
    name = None if second is None else config.second_field or second
    fields = Fields(config.text_field, name, second or "")
    start = time.monotonic()
    with show("predicting", count_bytes(config.input_file), "B") as advance:
        items = read_items(config.input_file, config.input_format, fields, advance)
        with _open_target(config, settings, stdout) as target:
            totals = _predict_all(items, config, predictor.of_task, writer, target)
    logging.info(
        "%d texts, %d %s, %.1f s",
        totals.texts,
        sum(totals.counts.values()),
        predictor.of_task.unit,
        time.monotonic() - start,
    )
    predictor.close()
    return totals

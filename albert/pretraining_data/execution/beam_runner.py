"""Making records on Apache Beam: the same shards as `runner` makes, on many machines.

The process that starts the pipeline surveys and shards the input as the local runner
does, and stages each shard's text beside the output. The pipeline has one element a
shard: whoever gets it encodes the text, makes the shard and publishes its files. What
came of it, an error too, is written to the staging folder, since no runner hands back
a worker's exception as it was raised.
"""

from __future__ import annotations

import dataclasses
import logging as standard_logging
import os
import tempfile
from typing import (
    Callable,
    Collection,
    Iterator,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
)

import apache_beam as beam
from absl import logging
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from albert.base.errors import UserError
from albert.pretraining_data import shard_files
from albert.pretraining_data.config import PretrainingDataConfig
from albert.pretraining_data.execution import beam_files, planning, runner, spool
from albert.pretraining_data.execution.planning import Plan
from albert.pretraining_data.execution.runner import Report
from albert.pretraining_data.shard_files import ShardReport
from albert.pretraining_data.sources import Text

_BLOCK_CHARACTERS = 1 << 16  # of text that is encoded at a time
_LOCAL_RUNNER = "DirectRunner"


class _Job(NamedTuple):
    """What a worker needs to make any shard.

    Attributes:
        plan: of the run.
        staging: the folder of the shards' texts.
        folder: what relative names of outputs are relative to.
        user_words: the content of the user's dictionary.
    """

    plan: Plan
    staging: str
    folder: str
    user_words: Optional[bytes]


def parse_options(arguments: Sequence[str]) -> tuple[PipelineOptions, list[str]]:
    """Return Beam's options, and the words that belong to none of them.

    What stands after `--` goes to the runner unchecked: Beam cannot know the options
    of every job server.

    Raises:
        UserError: Beam does not know an option, or not its value.
    """
    arguments, unchecked = list(arguments), []
    if "--" in arguments:
        end = arguments.index("--")
        arguments, unchecked = arguments[:end], arguments[end + 1 :]
    parsers: list = []
    PipelineOptions([]).get_all_options(add_extra_args_fn=parsers.append)

    def refuse(message: str) -> None:
        raise UserError(f"pipeline options: {message}")

    parsers[0].error = refuse
    _, rest = parsers[0].parse_known_args(arguments)
    for word in rest:
        if word.startswith("-"):
            raise UserError(
                f"unknown flag {word!r}: it is neither this script's nor Beam's; put "
                "an option that only the runner knows after --"
            )
    known = [word for word in arguments if word not in rest]
    return PipelineOptions([*known, *unchecked]), rest


def _answer_path(staging: str, index: int) -> str:
    return spool.spool_path(staging, index) + ".answer"


class _ShardMaker(beam.DoFn):
    """Makes a shard, given its index, unless a try before has made it."""

    def __init__(self, job: _Job):
        self._job = job
        self._encode: Optional[Callable] = None

    def process(self, index):  # Beam would take annotations for its own types
        path = _answer_path(self._job.staging, index)
        if "report" in (beam_files.read_json(path) or {}):
            return
        try:
            answer = {"report": self._make(index)._asdict()}
        except UserError as error:
            answer = {"error": str(error)}
        except OSError as error:  # it may pass: the runner tries again
            message = f"{self._job.plan.shards[index]}: {error}"
            beam_files.write_json(path, {"error": message})
            raise
        beam_files.write_json(path, answer)

    def _make(self, index: int) -> ShardReport:
        plan, staging = self._job.plan, self._job.staging
        outputs = shard_files.name_outputs(plan.config, plan.shards[index])
        with tempfile.TemporaryDirectory() as folder:
            self._encode = self._encode or self._make_encoding(folder)
            with open(spool.spool_path(folder, index), "wb") as file:
                for block in _read_blocks(spool.spool_path(staging, index)):
                    file.write(self._encode((index, block))[1])
            paths = [os.path.join(folder, f"records-{n}") for n in range(len(outputs))]
            make = runner.make_shard_function(plan, folder)
            report = make((index, dict(zip(outputs, paths))))
            beam_files.publish(list(zip(paths, map(self._locate, outputs))))
        return report

    def _make_encoding(self, folder: str) -> Callable:
        config = self._job.plan.config
        if self._job.user_words is not None:
            words = os.path.join(folder, "words")
            with open(words, "wb") as file:
                file.write(self._job.user_words)
            config = dataclasses.replace(config, jieba_user_dict=words)
        return spool.make_encoding(self._job.plan.vocabulary, config)

    def _locate(self, name: str) -> str:
        if not beam_files.is_local(name):
            return name
        return os.path.join(self._job.folder, name)


def _read_blocks(path: str) -> Iterator[list[Text]]:
    """Yield the documents of a shard's text, some at a time."""
    block, size = [], 0
    for value in beam_files.read_json_lines(path):
        block.append(Text(*value))
        size += sum(map(len, block[-1].lines))
        if size >= _BLOCK_CHARACTERS:
            yield block
            block, size = [], 0
    yield block


def _stage_documents(plan: Plan, skipped: Collection[int], folder: str) -> None:
    """Write the text of each shard that is not skipped: a document a line."""
    for index, block in runner.make_blocks(plan, skipped):
        with shard_files.say_what_cannot_be_written(plan.config.output_file):
            with open(spool.spool_path(folder, index), "ab") as file:
                file.writelines(map(beam_files.encode_json, block))


def _run(pipeline: beam.Pipeline, job: _Job, indices: Sequence[int]) -> None:
    shards = pipeline | "shards" >> beam.Create(indices) | beam.Reshuffle()
    _ = shards | "make" >> beam.ParDo(_ShardMaker(job))
    pipeline.run().wait_until_finish()


def _is_interrupt(error: Optional[BaseException]) -> bool:
    """Whether Ctrl-C is behind an error: Beam wraps what stops a worker's function."""
    if error is None or isinstance(error, KeyboardInterrupt):
        return error is not None
    return _is_interrupt(error.__cause__ or error.__context__)


def _make_shards(
    pipeline: beam.Pipeline, plan: Plan, indices: Sequence[int], staging: str
) -> dict[int, ShardReport]:
    """Run the pipeline, and return what its workers have answered.

    Raises:
        UserError: a shard could not be made, or the pipeline failed otherwise; what
            the runner said of that is logged, since each has errors of its own.
    """
    words = None
    if plan.config.jieba_user_dict:
        with open(plan.config.jieba_user_dict, "rb") as file:
            words = file.read()
    failure: Optional[Exception] = None
    try:
        _run(pipeline, _Job(plan, staging, os.getcwd(), words), indices)
    except Exception as error:
        if _is_interrupt(error):
            raise KeyboardInterrupt from error
        failure = error
    made = {}
    for index in indices:
        answer = beam_files.read_json(_answer_path(staging, index)) or {}
        if "error" in answer:
            raise UserError(answer["error"]) from failure
        if "report" in answer:
            made[index] = ShardReport(**answer["report"])
    if failure:
        logging.error("the pipeline failed", exc_info=failure)
    if len(made) < len(indices):
        lines = str(failure or "no worker has made the others").splitlines()
        raise UserError(
            f"the pipeline failed; {len(made)} of {len(indices)} shards are made, and "
            f"--resume keeps them: {lines[-1] if lines else type(failure).__name__}"
        ) from failure
    return made


def _check_all_there(made: Mapping[int, ShardReport]) -> None:
    """Raise UserError where a file is not there although its shard was made.

    A runner may give a shard to a second worker, and kill that one while it replaces
    what the first has published.
    """
    outputs = [path for report in made.values() for path in report.output_files]
    missing = beam_files.find_missing(outputs)
    if missing:
        raise UserError(
            f"{missing[0]} is not there, though a worker has made it: another one was "
            "ended while it made it again; --resume makes what is missing"
        )


def _make_pipeline(options: PipelineOptions) -> beam.Pipeline:
    standard = options.view_as(StandardOptions)
    standard.runner = standard.runner or _LOCAL_RUNNER
    if standard.runner == _LOCAL_RUNNER:  # what it logs of a failure, it raises too
        standard_logging.getLogger("apache_beam").setLevel(standard_logging.CRITICAL)
    try:
        return beam.Pipeline(options=options)
    except ValueError as error:
        raise UserError(f"pipeline options: {error}") from error


def create_pretraining_data(
    config: PretrainingDataConfig, options: PipelineOptions, resume: bool = False
) -> Report:
    """As `runner.create_pretraining_data`, on Apache Beam; the records are the same.

    Args:
        config: what to create. Outputs may be in any file system that Beam knows;
            the input files are read here alone, as files of this machine.
        options: of the pipeline.
        resume: whether to keep the finished shards of an earlier run.

    Raises:
        UserError: as the local runner does; Beam refuses the options.
    """
    if resume and not all(map(beam_files.is_local, config.output_file)):
        raise UserError("--resume needs an --output_file in a folder, without ://")
    pipeline = _make_pipeline(options)
    plan = planning.plan_run(config, beam_files.check_output_file)
    with runner.holding_outputs(list(filter(beam_files.is_local, config.output_file))):
        return _make_missing(pipeline, plan, resume)


def _make_missing(pipeline: beam.Pipeline, plan: Plan, resume: bool) -> Report:
    reports = planning.find_finished(plan) if resume else {}
    kept = len(reports)
    missing = [shard.index for shard in plan.shards if shard.index not in reports]

    def fill(folder: str) -> None:
        _stage_documents(plan, frozenset(reports), folder)

    if missing:
        with beam_files.open_staging(plan.config.output_file[0], fill) as staging:
            made = _make_shards(pipeline, plan, missing, staging)
        _check_all_there(made)
        reports.update(made)
    return runner.finish(plan, reports, kept)

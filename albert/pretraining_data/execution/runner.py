"""Text files to record files: documents are assigned to shards, encoded, and written.

Documents are assigned to shards and encoded, by workers where there are several; each
shard's wait on disk until all are assigned. Then each shard is made, again by workers.
"""

from __future__ import annotations

import contextlib
import functools
import os
from typing import (
    Any,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
)

from absl import logging

from albert.base.errors import UserError
from albert.base.lock import hold_lock
from albert.base.progress import hide_progress, show_progress
from albert.base.signals import Terminated
from albert.pretraining_data import shard_files, sharding, sources, summary
from albert.pretraining_data.config import ExecutionConfig, RecordsConfig
from albert.pretraining_data.execution import leftovers, memory, planning, spool
from albert.pretraining_data.execution.planning import Plan
from albert.pretraining_data.execution.workers import WorkerPool, read_peak_memory
from albert.pretraining_data.record_makers import find_maker
from albert.pretraining_data.shard_files import ShardReport

_BLOCK_CHARACTERS = 1 << 16  # of text that a worker encodes at a time
_WAITING_CHARACTERS = 1 << 24  # of text that waits until its shard's block is full
_ALONE = ExecutionConfig()
_BYTES_FOR_A_WORKER = 1 << 19  # less text is encoded before a worker has started


class Report(NamedTuple):
    """What a run did.

    Attributes:
        counts: of all shards, as in the metadata; see `RecordMaker.make_counts`.
        shown: three instances as text.
        output_files: the record files and the instances in each.
        kept_shards: how many shards of an earlier run were kept.
        peak_memory: of all processes together, in bytes: no less than the peak; None
            where other machines did the work.
        replaced: record files of an older run, with another number of shards or jobs,
            that were removed.
    """

    counts: dict[str, Any]
    shown: list[str]
    output_files: dict[str, int]
    kept_shards: int
    peak_memory: Optional[int] = None
    replaced: Sequence[str] = ()


class Interrupted(BaseException):
    """A signal has ended a run that leaves whole shards.

    Like KeyboardInterrupt no Exception, so that nobody takes it for an error.

    Attributes:
        reason: the signal's name.
        whole: how many shards there are, which --resume keeps.
        count: how many there are to be.
    """

    def __init__(self, reason: str, whole: int, count: int):
        super().__init__(reason, whole, count)
        self.reason, self.whole, self.count = reason, whole, count


def make_blocks(plan: Plan, skipped: Iterable[int]) -> Iterator[tuple[int, list]]:
    """Yield blocks of documents of one shard each, with the shard's index.

    Raises:
        UserError: there are fewer documents than shards.
    """
    count = len(plan.shards)
    full = max(1, min(_BLOCK_CHARACTERS, _WAITING_CHARACTERS // count))
    waiting: dict[int, list] = {index: [] for index in range(count)}
    sizes = dict.fromkeys(waiting, 0)
    num_documents = 0
    config = plan.config
    size = sum(map(os.path.getsize, config.input_file))
    with show_progress("reading", size, "B") as advance:
        texts = sources.read_texts(
            *(config.input_file, config.text_field),
            find_maker(config).across_files,
            advance,
        )
        for index, text in sharding.assign_documents(texts, count):
            num_documents += 1
            if index in skipped:
                continue
            waiting[index].append(text)
            sizes[index] += sum(map(len, text.lines))
            if sizes[index] >= full:
                yield index, waiting[index]
                waiting[index], sizes[index] = [], 0
    if 0 < num_documents < count:
        raise UserError(
            f"{num_documents} documents cannot fill {count} shards; do blank lines "
            f"stand between documents? --num_shards={num_documents} gives one to each"
        )
    yield from ((i, block) for i, block in waiting.items() if i not in skipped)


def _encode(plan: Plan, skipped: Iterable[int], folder: str, num_workers: int) -> int:
    """Write the spool of each shard that is not skipped; return the workers' memory."""
    most = max(len(plan.shards), plan.source.bytes // _BYTES_FOR_A_WORKER)
    arguments = (spool.make_encoding, plan.vocabulary, plan.config)
    with WorkerPool(min(num_workers, most), *arguments) as pool:
        for index, packed in pool.map_in_order(make_blocks(plan, skipped)):
            with shard_files.say_what_cannot_be_written(plan.config.output_file):
                with open(spool.spool_path(folder, index), "ab") as file:
                    file.write(packed)
        return pool.peak_memory


def make_shard_function(
    plan: Plan, folder: str, progress: Callable = hide_progress
) -> Callable[[tuple[int, dict[str, str]]], ShardReport]:
    """Return the function that makes a shard of its spool, to call in a worker."""

    def make(payload: tuple[int, dict[str, str]]) -> ShardReport:
        index, temporary = payload
        path = spool.spool_path(folder, index)
        documents, counts = spool.load_documents(path)
        os.unlink(path)
        with shard_files.say_what_cannot_be_written(list(temporary)):
            return shard_files.write_shard(
                documents,
                counts,
                plan.shards[index],
                temporary,
                plan.source,
                plan.config,
                plan.vocabulary,
                progress,
            )

    return make


def _make_shards(
    plan: Plan, indices: Sequence[int], folder: str, num_workers: int
) -> tuple[dict[int, ShardReport], int]:
    """Make the shards and publish each when it is complete.

    Returns:
        The report of each shard, and the workers' memory.
    """
    num_workers = min(num_workers, len(indices))
    shown, hidden = show_progress, hide_progress  # a bar for all, or one for each
    if num_workers <= 1:
        shown, hidden = hidden, shown
    function = functools.partial(make_shard_function, progress=hidden)
    made: dict[int, ShardReport] = {}
    publications: dict[int, contextlib.ExitStack] = {}
    # Workers end before the files that they write are removed.
    with (
        contextlib.ExitStack() as stack,
        WorkerPool(num_workers, function, plan, folder) as pool,
    ):

        def make_tasks() -> Iterator[tuple[int, dict[str, str]]]:
            for index in indices:
                outputs = shard_files.name_outputs(plan.config, plan.shards[index])
                publications[index] = stack.enter_context(contextlib.ExitStack())
                temporary = publications[index].enter_context(
                    shard_files.publishing(outputs)
                )
                yield index, temporary

        with shown("making shards", len(indices), "shard") as advance:
            for index, report in zip(indices, pool.map_in_order(make_tasks())):
                publications[index].close()
                made[index] = report
                advance(1)
        return made, pool.peak_memory


def _warn_of_memory(plan: Plan, num_workers: int) -> None:
    available = memory.read_available_memory()
    shortage = memory.describe_shortage(
        plan.source.bytes, len(plan.shards), num_workers, plan.config, available
    )
    if shortage:
        logging.warning("%s", shortage)


@contextlib.contextmanager
def holding_outputs(
    outputs: Sequence[str], flag: str = "output_file"
) -> Iterator[None]:
    """Hold the outputs for this run alone; remove what killed runs left beside them.

    Args:
        outputs: of this machine, as the config names them, without shards.
        flag: that says where they go, for the message.

    Raises:
        UserError: another run is making one of them.
    """
    with contextlib.ExitStack() as stack:
        for path in outputs:
            stack.enter_context(hold_lock(f"{path}.lock", f"--{flag}: {path}"))
        removed = leftovers.remove_leftovers(outputs)
        if removed:
            listed = ", ".join(removed)
            logging.info("A run that was killed had left %s: removed", listed)
        yield


def finish(
    plan: Plan,
    reports: Mapping[int, ShardReport],
    kept: int,
    peak_memory: Optional[int] = None,
) -> Report:
    """Remove the shards that the run replaces; return its report from its shards'."""
    ordered = [reports[shard.index] for shard in plan.shards]
    made = {name: n for report in ordered for name, n in report.output_files.items()}
    outputs = (*plan.config.output_file, *plan.config.replaced_files)
    return Report(
        summary.merge_counts([report.counts for report in ordered]),
        next((report.shown for report in ordered if report.shown), []),
        made,
        kept,
        peak_memory,
        leftovers.remove_replaced(outputs, made),
    )


def _count_whole(plan: Plan) -> int:
    """Return how many shards --resume would keep, 0 where it would refuse them."""
    try:
        return len(planning.find_finished(plan))
    except (UserError, OSError):  # of an older run, made otherwise
        return 0


@contextlib.contextmanager
def _counting_on_interrupt(plan: Plan) -> Iterator[None]:
    try:
        yield
    except (Terminated, KeyboardInterrupt) as error:
        if len(plan.shards) > 1 and (whole := _count_whole(plan)):
            reason = "SIGTERM" if isinstance(error, Terminated) else "SIGINT"
            raise Interrupted(reason, whole, len(plan.shards)) from error
        raise


def create_pretraining_data(
    config: RecordsConfig, execution: ExecutionConfig = _ALONE
) -> Report:
    """Make the record files and the metadata beside each; each shard or none of it.

    Raises:
        UserError: an input is missing, not UTF-8 or gives no instance; the vocabulary
            is not usable; an output cannot be written, or another run is making it; a
            worker died.
        Interrupted: see there.
    """
    plan = planning.plan_run(config)
    outputs, flag = config.output_file, config.output_flag
    with holding_outputs(outputs, flag), _counting_on_interrupt(plan):
        return _make_missing(plan, execution)


def _make_missing(plan: Plan, execution: ExecutionConfig) -> Report:
    reports = planning.find_finished(plan) if execution.resume else {}
    kept = len(reports)
    missing = [s.index for s in plan.shards if s.index not in reports]
    peak = 0
    if missing:
        _warn_of_memory(plan, execution.num_workers)
        with spool.open_spool(plan.config.output_file[0]) as folder:
            peak = _encode(plan, set(reports), folder, execution.num_workers)
            made, making = _make_shards(plan, missing, folder, execution.num_workers)
        reports.update(made)
        peak = max(peak, making)
    return finish(plan, reports, kept, peak + read_peak_memory())

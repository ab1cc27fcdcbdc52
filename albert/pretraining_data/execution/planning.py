"""What is known of a run of data creation before it starts, and its checks."""

from __future__ import annotations

import os
from typing import Callable, NamedTuple, Sequence

from albert.base import files
from albert.base.errors import UserError
from albert.pretraining_data import shard_files, sharding, sources
from albert.pretraining_data.config import RecordsConfig
from albert.pretraining_data.execution import resume
from albert.pretraining_data.shard_files import InputId, ShardReport
from albert.pretraining_data.sharding import Shard
from albert.records import features as records
from albert.text.vocabulary import Vocabulary, load_vocabulary

CheckFile = Callable[[str, str], None]


class Plan(NamedTuple):
    """What is known of a run before it starts."""

    config: RecordsConfig
    vocabulary: Vocabulary
    source: InputId
    shards: list[Shard]


def check_outputs(
    config: RecordsConfig,
    shards: Sequence[Shard] = (Shard(0, 1),),
    check_file: CheckFile = files.check_output_file,
) -> None:
    """Raise UserError where an output cannot be made or would overwrite a file in use.

    Each record file and the metadata beside it count as outputs.
    """
    flag = f"--{config.output_flag}"
    taken = {os.path.realpath(path) for path in (*config.input_file, config.vocab_file)}
    for shard in shards:
        for name in shard_files.name_outputs(config, shard):
            for path in (name, records.metadata_path(name)):
                check_file(path, config.output_flag)
                if os.path.islink(path):  # records and metadata stay side by side
                    raise UserError(
                        f"{flag}: {path} is a symbolic link: name the file that it "
                        "stands for"
                    )
                if os.path.realpath(path) in taken:
                    raise UserError(
                        f"{flag}: {path} is an input or another output of this run"
                    )
                taken.add(os.path.realpath(path))


def plan_run(
    config: RecordsConfig, check_file: CheckFile = files.check_output_file
) -> Plan:
    """Read the vocabulary and survey the input.

    Args:
        config: what to create.
        check_file: raises UserError where a file cannot be made, given its name and
            that of the flag.

    Raises:
        UserError: vocabulary, input or output are not usable.
    """
    if not config.output_file:
        raise UserError("--output_file must be given")
    check_outputs(config, check_file=check_file)
    vocabulary = load_vocabulary(config.vocab_file)
    words_sha256 = None
    if config.user_dictionary:
        words_sha256 = sources.survey([config.user_dictionary]).sha256
    size, sha256 = sources.survey(config.input_file)
    count = sharding.count_shards(size, config.num_shards, config.shard_size_mb)
    shards = [Shard(index, count) for index in range(count)]
    check_outputs(config, shards, check_file)
    return Plan(config, vocabulary, InputId(size, sha256, words_sha256), shards)


def find_finished(plan: Plan) -> dict[int, ShardReport]:
    """Return what an earlier run has made of this one's shards; see `resume`."""
    finished = {}
    for shard in plan.shards:
        outputs = shard_files.name_outputs(plan.config, shard)
        wanted = shard_files.describe_parameters(
            plan.config, plan.vocabulary, shard, plan.source
        )
        report = resume.find_finished(outputs, wanted, plan.vocabulary)
        if report:
            finished[shard.index] = report
    return finished

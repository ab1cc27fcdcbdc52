"""The configuration of data for replaced token detection."""

from __future__ import annotations

import dataclasses
import os
import re
from typing import ClassVar, Optional

from albert.base.errors import UserError
from albert.base.settings import (
    ANY_PATH,
    INPUT_FILES,
    INPUT_FOLDER,
    REQUIRED,
    at_least,
    setting,
    setting_of,
)
from albert.pretraining_data.config import PretrainingDataConfig, RecordsConfig
from albert.records.features import ELECTRA
from albert.records.shard_sets import parse_shard_name

GOOGLE, CHINESE_ELECTRA = VARIANTS = ("google", "chinese_electra")


_NAME = "pretrain_data"  # of the record files
_ANY_NAME = re.compile(rf"{_NAME}(?:-job-\d+-of-(\d+))?\.tfrecord")


def list_folder(folder: str, output_dir: str) -> tuple[str, ...]:
    """Return the files of a folder, sorted by name.

    Args:
        output_dir: is none of them where it lies in the folder.

    Raises:
        UserError: there is none, or another folder among them.
    """
    names = sorted(os.listdir(folder))
    output = os.path.realpath(output_dir)
    paths = [os.path.join(folder, name) for name in names]
    paths = [path for path in paths if os.path.realpath(path) != output]
    if not paths:
        raise UserError(f"--input_dir: the folder {folder} is empty")
    for path in paths:
        if os.path.isdir(path):
            raise UserError(
                f"--input_dir: {path} is a folder among the files; name them with "
                "--input_file"
            )
    return tuple(paths)


@dataclasses.dataclass(frozen=True)
class ElectraDataConfig(RecordsConfig):
    """What to make records for replaced token detection of, and how.

    After its checks `input_file` holds the files that are read, wherever their names
    came from.
    """

    objective: ClassVar[str] = ELECTRA
    output_flag: ClassVar[str] = "output_dir"

    input_dir: Optional[str] = setting(
        None,
        "A folder of UTF-8 text files, plain or gzip, all of which are read; this or "
        "--input_file. One sentence a line, a blank line between documents.",
        path=INPUT_FOLDER,
    )
    input_file: tuple[str, ...] = setting(
        (),
        "Text files in place of a folder: names and globs, separated by commas. "
        "Further file names on the command line are such files too.",
        path=INPUT_FILES,
    )
    output_dir: str = setting(
        REQUIRED,
        "The folder to write pretrain_data.tfrecord into, or the shards of it. It is "
        "made where it is missing, and what else is in it stays, but for the shards of "
        "a run with another number of them or of jobs.",
        path=ANY_PATH,
    )
    vocab_file: str = setting_of(PretrainingDataConfig, "vocab_file", REQUIRED)
    max_seq_length: int = setting_of(PretrainingDataConfig, "max_seq_length", 128)
    do_lower_case: bool = setting(True, "Lower-case the text, as suits the vocabulary.")
    strip_accents: bool = setting(
        True, "Strip accents (é becomes e); with --do_lower_case alone."
    )
    blanks_separate_docs: bool = setting(
        True,
        "No example spans a blank line of the text. Otherwise only the end of a file "
        "ends one.",
    )
    random_seed: int = setting_of(
        PretrainingDataConfig,
        "random_seed",
        12345,
        "Seed of the order of files, of segments and lengths; each shard has a stream "
        "of its own.",
    )
    variant: str = setting(
        GOOGLE,
        "How sentences are divided between two segments: google, or chinese_electra, "
        "as its program does, which makes almost no pairs.",
        choices=VARIANTS,
    )
    num_jobs: int = setting(
        1,
        "Jobs that the files are dealt out to, as ELECTRA's num_processes; this run is "
        "--job_id. For several cores use --num_workers.",
        check=at_least(1),
    )
    job_id: int = setting(0, "The job of this run, from 0.", check=at_least(0))
    text_field: Optional[str] = setting_of(PretrainingDataConfig, "text_field", None)
    num_shards: Optional[int] = setting_of(PretrainingDataConfig, "num_shards", None)
    shard_size_mb: float = setting_of(PretrainingDataConfig, "shard_size_mb", 16.0)
    output_compression: str = setting_of(
        PretrainingDataConfig,
        "output_compression",
        "none",
        "Compression of the record files; run_electra_pretraining.py reads all.",
    )

    def validate(self) -> None:
        """Find the files, and check what goes together."""
        if bool(self.input_dir) == bool(self.input_file):
            raise UserError("give --input_dir or --input_file, one of them")
        if self.variant == CHINESE_ELECTRA and not self.strip_accents:
            raise UserError(
                f"strip_accents cannot be False with the variant {CHINESE_ELECTRA}, "
                "which always strips them"
            )
        if self.job_id >= self.num_jobs:
            raise UserError(
                f"job_id must be below num_jobs {self.num_jobs}, got {self.job_id}"
            )
        files = self.input_file
        if self.input_dir:
            files = list_folder(self.input_dir, self.output_dir)
            if os.path.realpath(self.input_dir) == os.path.realpath(self.output_dir):
                raise UserError(
                    f"--output_dir: {self.output_dir} is --input_dir: all files there "
                    "are input"
                )
        mine = files[self.job_id :: self.num_jobs]
        if not mine:
            raise UserError(
                f"job {self.job_id} of {self.num_jobs}, counted from 0, has no file: "
                f"there are {len(files)}"
            )
        object.__setattr__(self, "input_file", mine)

    @property
    def output_file(self) -> tuple[str, ...]:
        """The record file, without shards."""
        job = f"-job-{self.job_id}-of-{self.num_jobs}" if self.num_jobs > 1 else ""
        return (os.path.join(self.output_dir, f"{_NAME}{job}.tfrecord"),)

    @property
    def replaced_files(self) -> tuple[str, ...]:
        """See `RecordsConfig`; the files of runs with another --num_jobs."""
        found = set()
        for name in os.listdir(self.output_dir):
            base = parse_shard_name(name).base
            named = _ANY_NAME.fullmatch(base)
            if named and int(named[1] or 1) != self.num_jobs:
                found.add(os.path.join(self.output_dir, base))
        return tuple(sorted(found))

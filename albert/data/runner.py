"""Text files to record files: reading, creating, writing, and the metadata."""

from __future__ import annotations

import contextlib
import os
import random
from typing import Any, NamedTuple, Sequence

import albert
from albert import files
from albert.config.pretraining_data import PretrainingDataConfig
from albert.data import documents, instances, masking, records, summary, tfrecord
from albert.data.documents import Document, TextCounts
from albert.data.instances import Instance
from albert.data.masking import MaskingVocabulary
from albert.data.summary import InstanceCounts
from albert.errors import UserError
from albert.progress import show_progress
from albert.tokenization import Vocabulary, load_vocabulary

FORMAT = "albert_pretraining_records"
_SHOWN_INSTANCES = 3


class Report(NamedTuple):
    """What a run did.

    Attributes:
        counts: as in the metadata, see `summary.make_counts`.
        shown: three instances as text.
        output_files: the record files and the instances in each.
    """

    counts: dict[str, Any]
    shown: list[str]
    output_files: dict[str, int]


def check_outputs(config: PretrainingDataConfig) -> None:
    """Raise UserError where an output cannot be made or would overwrite a file in use.

    Each record file and the metadata beside it count as outputs.
    """
    taken = {os.path.realpath(path) for path in (*config.input_file, config.vocab_file)}
    for name in config.output_file:
        for path in (name, records.metadata_path(name)):
            files.check_output_file(path, "output_file")
            if os.path.realpath(path) in taken:
                raise UserError(
                    f"--output_file: {path} is an input or another output of this run"
                )
            taken.add(os.path.realpath(path))


def read_documents(
    config: PretrainingDataConfig, encoder: documents.DocumentEncoder
) -> tuple[list[Document], TextCounts]:
    """Return the documents of all input files, and what was read."""
    counts = TextCounts()
    kept = []
    size = sum(os.path.getsize(path) for path in config.input_file)
    with show_progress("reading", size, "B") as advance:
        lines = documents.read_lines(config.input_file, advance)
        for text in documents.split_documents(lines):
            document, document_counts = encoder.encode(text)
            counts.add(document_counts)
            if document is not None:
                kept.append(document)
    return kept, counts


def check_yield(text: TextCounts, num_instances: int, num_files: int) -> None:
    """Raise UserError where there are too few instances, saying why."""
    if not text.documents:
        raise UserError("no instances: the input files hold no text")
    if not num_instances:
        raise UserError(
            f"no instances: each of the {text.documents} documents has one sentence, "
            "and a pair needs two; write one sentence a line, and a blank line between "
            "documents only"
        )
    if num_instances < num_files:
        raise UserError(
            f"{num_instances} instances cannot fill {num_files} output files"
        )


def _make_metadata(
    config: PretrainingDataConfig, vocabulary: Vocabulary, counts: dict[str, Any]
) -> dict[str, Any]:
    spec = records.feature_spec(config.max_seq_length, config.max_predictions_per_seq)
    return {
        "format": FORMAT,
        "version": albert.__version__,
        "parameters": config.to_dict(),
        "vocabulary": {
            "path": config.vocab_file,
            "size": len(vocabulary),
            "sha256": vocabulary.sha256,
        },
        "features": {
            name: {"dtype": dtype, "length": length} for name, dtype, length in spec
        },
        "counts": counts,
    }


def write_records(
    shard: Sequence[Instance],
    paths: Sequence[str],
    config: PretrainingDataConfig,
    vocabulary: MaskingVocabulary,
) -> InstanceCounts:
    """Write instances to `paths` in turn, and return what was written.

    Raises:
        UserError: a file cannot be written, the disk being full for instance.
    """
    spec = records.feature_spec(config.max_seq_length, config.max_predictions_per_seq)
    counts = InstanceCounts()
    try:
        with contextlib.ExitStack() as stack:
            writers = [stack.enter_context(open(path, "wb")) for path in paths]
            advance = stack.enter_context(
                show_progress("writing", len(shard), "instance")
            )
            for index, instance in enumerate(shard):
                tokens = instances.expand_instance(instance, vocabulary)
                features = instances.make_features(instance, tokens)
                data = tfrecord.frame(records.serialize(features, spec))
                writers[index % len(writers)].write(data)
                counts.add(instance, tokens)
                advance(1)
    except OSError as error:
        where = ", ".join(config.output_file)
        raise UserError(
            f"cannot write {where}: {error.strerror}; nothing was kept"
        ) from error
    return counts


def _write_outputs(
    shard: Sequence[Instance],
    text: TextCounts,
    config: PretrainingDataConfig,
    vocabulary: Vocabulary,
    tables: MaskingVocabulary,
) -> tuple[dict[str, Any], dict[str, int]]:
    """Write all files or none; return the counts, and the instances of each file."""
    outputs = config.output_file
    per_file = {
        path: len(range(index, len(shard), len(outputs)))
        for index, path in enumerate(outputs)
    }
    with contextlib.ExitStack() as stack:
        temporary = [stack.enter_context(files.atomic_path(path)) for path in outputs]
        written = write_records(shard, temporary, config, tables)
        counts = summary.make_counts(text, written, vocabulary)
        for path, written_path in zip(outputs, temporary):
            counts_here = {**counts, "instances_in_this_file": per_file[path]}
            metadata = _make_metadata(config, vocabulary, counts_here)
            metadata["file"] = {"bytes": os.path.getsize(written_path)}
            # Left first, so renamed first: no new record file stands without its own.
            beside = files.atomic_path(records.metadata_path(path))
            files.write_json(stack.enter_context(beside), metadata)
    return counts, per_file


def create_pretraining_data(config: PretrainingDataConfig) -> Report:
    """Make the record files and the metadata beside each, all of them or none.

    Raises:
        UserError: an input is missing, not UTF-8 or gives no instance; the vocabulary
            is not usable; an output cannot be written.
    """
    check_outputs(config)
    vocabulary = load_vocabulary(config.vocab_file)
    tables = masking.make_masking_vocabulary(
        vocabulary, config.continuation_labels, config.whole_word_spans
    )
    encoder = documents.DocumentEncoder(vocabulary, config)
    texts, text_counts = read_documents(config, encoder)
    passes = config.dupe_factor * len(texts)
    with show_progress("creating", passes, "document") as advance:
        rng = random.Random(config.random_seed)
        shard = instances.create_instances(texts, config, tables, rng, advance)
    check_yield(text_counts, len(shard), len(config.output_file))
    counts, per_file = _write_outputs(shard, text_counts, config, vocabulary, tables)
    shown = [
        summary.show_instance(
            instance,
            instances.expand_instance(instance, tables),
            vocabulary,
            config.do_whole_word_mask,
        )
        for instance in shard[:_SHOWN_INSTANCES]
    ]
    return Report(counts, shown, per_file)

"""Records compared with the flags of a run, before any training."""

from __future__ import annotations

import math
import os
import types
from typing import Any, Callable, Iterator, Mapping, NamedTuple, Optional, Sequence

import tensorflow as tf
from absl import logging

from albert.base.errors import UserError
from albert.records import compression, damage
from albert.records import features as records
from albert.records.arrays import read_arrays
from albert.records.expected import (
    LENGTH_OF,
    ExpectedRecords,
    check_masking,
    check_objective,
    find_maker,
)
from albert.records.shard_sets import check_shard_sets
from albert.text.vocabulary import VocabularyId, parse_vocabulary

_SLOW_BYTES = 1 << 30  # reading through so much is worth a line in the log
_READ_AT_ONCE = 1024  # records, in `find_bad_record`


def _mismatch(file: str, what: str, found: Any, flag: str, given: Any) -> UserError:
    return UserError(f"{file}: {what} is {found}, but {flag} is {given}")


def _parse(where: str, serialized: bytes) -> tf.train.Example:
    example = tf.train.Example()
    try:
        example.ParseFromString(serialized)
    except Exception as error:  # DecodeError, whose module differs between versions
        raise UserError(f"{where}: not a serialised tf.train.Example") from error
    return example


def read_first(file: str, readable: damage.Readable) -> tf.train.Example:
    """Return the first record of a file that can be read.

    Args:
        readable: damaged files, and what is to be read of them.

    Raises:
        UserError: there is none, or it is no example.
    """
    if file in readable:
        serialized = damage.read_first(file, readable[file])
    else:
        try:
            serialized = next(compression.iterate_records(file), None)
        except tf.errors.DataLossError as error:
            raise UserError(
                f"{file} is not a TFRecord file, or is cut short"
            ) from error
    if serialized is None:
        raise UserError(f"{file} holds no record that can be read")
    return _parse(file, serialized)


class Inspection(NamedTuple):
    """What the records of a run were found to be.

    Attributes:
        max_seq_length, max_predictions_per_seq: of every record; the second is None
            where none is masked.
        vocabulary: the one that the metadata name, None where none does.
    """

    max_seq_length: int
    max_predictions_per_seq: Optional[int]
    vocabulary: Optional[VocabularyId]


def _values(example: tf.train.Example, feature: records.Feature) -> Sequence:
    kinds = {"int64": "int64_list", "float32": "float_list"}
    return getattr(example.features.feature[feature.name], kinds[feature.dtype]).value


def _adopt_lengths(
    file: str, expected: ExpectedRecords, readable: damage.Readable
) -> ExpectedRecords:
    """Fill in lengths that the flags leave open from the first record of a file."""
    missing = [name for name in expected.lengths if getattr(expected, name) is None]
    if not missing:
        return expected
    features = read_first(file, readable).features.feature
    return expected._replace(
        **{name: len(features[LENGTH_OF[name]].int64_list.value) for name in missing}
    )


def _check_example(
    file: str, example: tf.train.Example, expected: ExpectedRecords
) -> None:
    """Compare a record of a file with what is expected."""
    spec, present = expected.spec, example.features.feature
    for feature in spec:
        if feature.name not in present:
            raise UserError(
                f"{file}: its records lack the feature {feature.name}; were they made "
                f"by {find_maker(expected.objective)}?"
            )
    check_masking(file, present, expected.objective)
    lengths = {f.name: (len(_values(example, f)), f.length) for f in spec}
    for flag in expected.lengths:
        found, given = lengths[LENGTH_OF[flag]]
        if found != given:
            raise _mismatch(file, flag, found, f"--{flag}", given)
    for name, (found, wanted) in lengths.items():
        if found != wanted:
            raise UserError(f"{file}: {name} has {found} values, not {wanted}")
    for feature in spec:
        if feature.dtype == "float32" and not all(
            map(math.isfinite, _values(example, feature))
        ):
            raise UserError(f"{file}: {feature.name} are not all finite numbers")
    _check_values(file, example, spec, expected)


def _check_values(
    file: str,
    example: tf.train.Example,
    spec: Sequence[records.Feature],
    expected: ExpectedRecords,
) -> None:
    """Stop at an id, a position or a label that the model has no place for."""
    highest = max(
        max(_values(example, f), default=0)
        for f in spec
        if f.name in ("input_ids", "masked_lm_ids")
    )
    if highest >= expected.vocab_size:
        raise UserError(
            f"{file}: holds the token id {highest}, but the config's vocab_size is "
            f"{expected.vocab_size}"
        )
    most = expected.highest
    for feature in spec:
        high = most.get(feature.name)
        values = () if high is None else _values(example, feature)
        wrong = next((value for value in values if not 0 <= value <= high), None)
        if wrong is not None:
            raise UserError(
                f"{file}: {feature.name} holds {wrong}, which is not in 0 to {high}"
            )


def _check_metadata(
    file: str, metadata: Mapping[str, Any], expected: ExpectedRecords
) -> VocabularyId:
    """Compare the metadata beside a file; return the vocabulary that it names."""
    path = records.metadata_path(file)
    try:
        parameters = metadata["parameters"]
        vocabulary = parse_vocabulary(metadata["vocabulary"], path)
        for name in expected.lengths:
            if parameters[name] != getattr(expected, name):
                given = getattr(expected, name)
                raise _mismatch(file, name, parameters[name], f"--{name}", given)
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{path} is not metadata of records: {type(error).__name__} {error}"
        ) from error
    if vocabulary.size != expected.vocab_size:
        raise UserError(
            f"{file}: made with a vocabulary of {vocabulary.size} tokens "
            f"({vocabulary.path}), but the config's vocab_size is {expected.vocab_size}"
        )
    given = expected.vocabulary
    if given is not None and not given.has_tokens_of(vocabulary):
        raise UserError(
            f"{file}: made with the vocabulary {vocabulary.path}, sha256 "
            f"{vocabulary.sha256[:12]}, but {given.path} names sha256 "
            f"{given.sha256[:12]}"
        )
    return vocabulary


def _has_stated_size(file: str, metadata: Optional[Mapping[str, Any]]) -> bool:
    """Whether a file is as long as its metadata say, so that it need not be read."""
    stated = (metadata or {}).get("file")
    size = stated.get("bytes") if isinstance(stated, dict) else None
    return size == os.path.getsize(file)


def count_records(file: str) -> int:
    """Read a TFRecord file through and return how many records it holds.

    Raises:
        UserError: the file is no TFRecord file, is cut short or damaged.
    """
    if os.path.getsize(file) >= _SLOW_BYTES:
        logging.info("Reading through %s once, to see that it is whole", file)
    count, whole = damage.count_sound(file)
    if not whole:
        raise UserError(
            f"{file} is damaged or cut short after record {count}: make it again, or "
            "give --skip_corrupt_records to do without what cannot be read"
        )
    return count


def _read_all(file: str, segments: Optional[Sequence[damage.Segment]]) -> Iterator:
    """Yield the serialised records of a file, those of some segments if given."""
    readable = {} if segments is None else {file: segments}
    opener = damage.record_opener(readable, compression.find_compressed([file]))
    for batch in read_arrays(lambda: opener(file).batch(_READ_AT_ONCE)):
        yield from batch


def find_bad_record(
    input_files: Sequence[str],
    expected: ExpectedRecords,
    give_up: Callable[[], bool],
    readable: damage.Readable = types.MappingProxyType({}),
) -> Optional[str]:
    """Return what is wrong with the first record that cannot be trained on.

    Reads everything, for as long as it may: to be called when training has failed.

    Args:
        expected: with all lengths.
        give_up: whether to end the search; asked before each record.
        readable: damaged files of which only some records were read.

    Returns:
        A sentence that names file and record, or None.
    """
    for file in input_files:
        kind = "readable record" if file in readable else "record"
        try:
            for number, serialized in enumerate(_read_all(file, readable.get(file)), 1):
                if give_up():
                    return None
                where = f"{file}: {kind} {number}"
                _check_example(where, _parse(where, serialized), expected)
        except UserError as error:
            return str(error)
        except tf.errors.DataLossError:
            return damage.find_fault([file])
    return None


def check_records(
    input_files: Sequence[str],
    expected: ExpectedRecords,
    readable: damage.Readable = types.MappingProxyType({}),
    allow_missing: bool = False,
) -> Inspection:
    """Check every file of a run before it starts.

    The first record and the metadata beside the file are compared with the flags; a
    file whose size is not what its metadata say, or that has none, is read through.
    Files that were made together are compared with each other.

    Args:
        readable: files known to be damaged, and what is to be read of them.
        allow_missing: see `shard_sets.check_shard_sets`.

    Raises:
        UserError: the first mismatch, with the file, what was found and what was given.
    """
    beside = {file: records.read_metadata(file) for file in input_files}
    for file, metadata in beside.items():
        check_objective(file, metadata, expected.objective)
    expected = _adopt_lengths(input_files[0], expected, readable)
    check_shard_sets(beside, allow_missing)
    for file, metadata in beside.items():
        if metadata is not None:
            vocabulary = _check_metadata(file, metadata, expected)
            expected = expected._replace(vocabulary=expected.vocabulary or vocabulary)
        _check_example(file, read_first(file, readable), expected)
        if file not in readable and not _has_stated_size(file, metadata):
            count_records(file)
    return Inspection(
        expected.max_seq_length, expected.max_predictions_per_seq, expected.vocabulary
    )

"""Documents to training instances, and instances to the values of a record.

`create_instances` is one shard: a pure function of documents, random stream and
configuration.
"""

from __future__ import annotations

import random
from array import array
from typing import Any, Callable, Iterable, NamedTuple, Sequence

import numpy as np

from albert.pretraining_data import masking, pairing
from albert.pretraining_data.config import PretrainingDataConfig
from albert.pretraining_data.documents import Document
from albert.pretraining_data.masking import MaskingVocabulary
from albert.pretraining_data.pairing import SegmentPair
from albert.records.features import CONTINUES_WORD


class Instance(NamedTuple):
    """A pair of segments and its mask; the tokens stay in the document.

    Attributes:
        document: where the tokens are.
        pair: which of them.
        positions: uint32, rising: the masked positions in [CLS] first [SEP] second
            [SEP].
        replacements: uint32, the ids that the model sees there.
        spans: see `masking.Masking`.
    """

    document: Document
    pair: SegmentPair
    positions: array
    replacements: array
    spans: tuple[int, ...] = ()


class InstanceTokens(NamedTuple):
    """The tokens of an instance, [CLS] and [SEP] included.

    Attributes:
        originals: int32 [tokens], before masking.
        ids: int32 [tokens], as the model sees them.
        first_length: tokens of [CLS] first [SEP].
        labels: int32 [masked], the labels at the instance's positions.
        fell_back: bool [masked], whether a label is bare for want of its ## form.
    """

    originals: np.ndarray
    ids: np.ndarray
    first_length: int
    labels: np.ndarray
    fell_back: np.ndarray


def join_segments(
    values: np.ndarray, pair: SegmentPair, start: Any, separator: Any
) -> np.ndarray:
    """Return [start] first [separator] second [separator] of a document's values."""
    first_start, first_end, second_start, second_end, _ = pair
    middle = first_end - first_start + 1
    joined = np.empty(middle + second_end - second_start + 2, values.dtype)
    joined[0] = start
    joined[1:middle] = values[first_start:first_end]
    joined[middle] = separator
    joined[middle + 1 : -1] = values[second_start:second_end]
    joined[-1] = separator
    return joined


def create_document_instances(
    document: Document,
    config: PretrainingDataConfig,
    vocabulary: MaskingVocabulary,
    rng: random.Random,
) -> list[Instance]:
    """Return the instances of one pass over a document."""
    max_tokens = config.max_seq_length - pairing.NUM_SPECIAL_TOKENS
    target = pairing.draw_target_length(max_tokens, config.short_seq_prob, rng)
    lengths = document.sentence_lengths
    instances = []
    for start, end in pairing.split_chunks(lengths, target):
        offset = sum(lengths[:start])
        pair = pairing.draw_pair(lengths[start:end], offset, max_tokens, rng)
        ids = join_segments(document.ids, pair, vocabulary.cls, vocabulary.sep)
        if config.do_whole_word_mask:
            joins = join_segments(document.joins, pair, False, False)
        else:
            joins = np.zeros(len(ids), bool)
        count = masking.count_predictions(
            len(ids), config.masked_lm_prob, config.max_predictions_per_seq
        )
        positions, replacements, spans = masking.draw_masking(
            ids, joins, count, vocabulary, rng, config.ngram_masking
        )
        positions, replacements = array("I", positions), array("I", replacements)
        instances.append(Instance(document, pair, positions, replacements, spans))
    return instances


def create_instances(
    documents: Iterable[Document],
    config: PretrainingDataConfig,
    vocabulary: MaskingVocabulary,
    rng: random.Random,
    advance: Callable[[int], object] = lambda count: None,
) -> list[Instance]:
    """Return the shuffled instances of a shard, as the reference creates them.

    The documents are shuffled once, processed `dupe_factor` times, and the instances
    of all passes are shuffled.

    Args:
        documents: in the order of the text; not changed.
        config: what to create.
        vocabulary: its tables for masking.
        rng: the shard's random stream, at its start.
        advance: called with 1 after each pass over a document, for a progress bar.
    """
    documents = list(documents)
    masking.shuffle(documents, rng)
    instances: list[Instance] = []
    for _ in range(config.dupe_factor):
        for document in documents:
            instances += create_document_instances(document, config, vocabulary, rng)
            advance(1)
    masking.shuffle(instances, rng)
    return instances


def expand_instance(
    instance: Instance, vocabulary: MaskingVocabulary
) -> InstanceTokens:
    """Return the tokens and labels of an instance."""
    document, pair, positions, replacements, _ = instance
    originals = join_segments(document.ids, pair, vocabulary.cls, vocabulary.sep)
    all_marked = join_segments(document.marked, pair, False, False)
    index = np.array(positions, np.intp)
    hidden, marked = originals[index], all_marked[index]
    ids = originals.copy()
    ids[index] = replacements
    return InstanceTokens(
        originals,
        ids,
        first_length=pair.first_end - pair.first_start + 2,
        labels=np.where(marked, vocabulary.labels[hidden], hidden),
        fell_back=marked & vocabulary.fell_back[hidden],
    )


def make_features(
    instance: Instance, tokens: InstanceTokens, word_boundaries: bool = False
) -> dict[str, Sequence]:
    """Return the values of a record, not padded; see `records.feature_spec`."""
    count, first = len(tokens.ids), tokens.first_length
    values = {
        "input_ids": tokens.ids.tolist(),
        "input_mask": b"\x01" * count,
        "segment_ids": bytes(first) + b"\x01" * (count - first),
        "masked_lm_positions": instance.positions,
        "masked_lm_ids": tokens.labels.tolist(),
        "masked_lm_weights": [1.0] * len(instance.positions),
        "next_sentence_labels": (int(instance.pair.swapped),),
    }
    if word_boundaries:
        joins = join_segments(instance.document.joins, instance.pair, False, False)
        values[CONTINUES_WORD] = joins.astype(np.uint8).tobytes()
    return values

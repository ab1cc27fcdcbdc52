"""Instances of documents: what they hold, and what they are made of."""

from __future__ import annotations

import random
from array import array

import numpy as np
import pytest
import tensorflow as tf

from albert.pretraining_data import instances, masking
from albert.pretraining_data.config import PretrainingDataConfig
from albert.pretraining_data.documents import Document
from albert.pretraining_data.pairing import SegmentPair
from albert.records.features import feature_spec, serialize
from albert.text.vocabulary import SPECIAL_TOKENS, Vocabulary

PAD, UNK, CLS, SEP, MASK = range(5)
WORDS = 300  # plain tokens, ids 5 to 304; their ## forms follow
VOCABULARY = Vocabulary(
    [
        *SPECIAL_TOKENS,
        *(chr(0x4E00 + i) for i in range(WORDS)),
        *("##" + chr(0x4E00 + i) for i in range(WORDS - 1)),  # the last has none
    ]
)
TABLES = masking.make_masking_vocabulary(VOCABULARY, True, "reference")


def make_config(**values):
    return PretrainingDataConfig(("in",), ("out",), "vocab.txt", **values)


def make_document(rng, num_sentences):
    """Random tokens, each different from its neighbours, some of them marked."""
    lengths = tuple(rng.randint(1, 25) for _ in range(num_sentences))
    ids = np.array([rng.randrange(5, 5 + WORDS) for _ in range(sum(lengths))], np.int32)
    marked = np.array([rng.random() < 0.4 for _ in ids])
    marked[np.cumsum((0, *lengths[:-1]))] = False  # a sentence starts a word
    return Document(ids, marked, marked.copy(), lengths)


def make_documents(seed, count):
    rng = random.Random(seed)
    return [make_document(rng, rng.randint(1, 8)) for _ in range(count)]


def as_values(instance):
    """An instance's record, without padding."""
    tokens = instances.expand_instance(instance, TABLES)
    features = instances.make_features(instance, tokens)
    return {name: list(value) for name, value in features.items()}


def test_the_original_follows_from_what_is_written():
    documents = make_documents(1, 30)
    config = make_config(max_seq_length=48, do_whole_word_mask=True, dupe_factor=3)
    shard = instances.create_instances(documents, config, TABLES, random.Random(9))
    assert len(shard) > 100
    for instance in shard:
        values = as_values(instance)
        tokens = VOCABULARY.to_tokens(values["input_ids"])
        for position, label in zip(
            values["masked_lm_positions"], VOCABULARY.to_tokens(values["masked_lm_ids"])
        ):
            tokens[position] = label[-1]  # without ##
        pair = instance.pair
        text = VOCABULARY.to_tokens(instance.document.ids)
        first = text[pair.first_start : pair.first_end]
        second = text[pair.second_start : pair.second_end]
        assert tokens == ["[CLS]", *first, "[SEP]", *second, "[SEP]"]


def test_features_of_instances_hold_together():
    documents = make_documents(2, 30)
    config = make_config(max_seq_length=40, do_whole_word_mask=True, dupe_factor=4)
    shard = instances.create_instances(documents, config, TABLES, random.Random(9))
    swapped = 0
    for instance in shard:
        values = as_values(instance)
        ids, segments = values["input_ids"], values["segment_ids"]
        count = len(ids)
        assert 5 <= count <= 40
        assert values["input_mask"] == [1] * count
        middle = segments.index(1)
        assert segments == [0] * middle + [1] * (count - middle)
        positions = values["masked_lm_positions"]
        assert positions == sorted(set(positions))
        assert len(positions) <= max(1, round(0.15 * count)) <= 6
        assert not {0, middle - 1, count - 1} & set(positions)
        assert [ids[0], ids[middle - 1], ids[-1]] == [CLS, SEP, SEP]
        assert len(values["masked_lm_ids"]) == len(positions)
        assert values["masked_lm_weights"] == [1.0] * len(positions)
        pair = instance.pair
        follows = pair.first_start >= pair.second_end
        assert values["next_sentence_labels"] == [int(follows)] == [pair.swapped]
        swapped += follows
    assert 0.4 < swapped / len(shard) < 0.6
    assert max(len(as_values(instance)["input_ids"]) for instance in shard) == 40


def test_whole_words_are_masked_entirely():
    documents = make_documents(3, 40)
    config = make_config(max_seq_length=64, do_whole_word_mask=True, dupe_factor=3)
    shard = instances.create_instances(documents, config, TABLES, random.Random(9))
    masked_words = 0
    for instance in shard:
        masked = set(instance.positions)
        pair = instance.pair
        joins = [
            False,
            *instance.document.marked[pair.first_start : pair.first_end],
            False,
            *instance.document.marked[pair.second_start : pair.second_end],
            False,
        ]
        separator = pair.first_end - pair.first_start + 1
        for position in range(2, len(joins)):
            if joins[position] and position != separator + 1:
                assert (position in masked) == (position - 1 in masked)
                masked_words += position in masked
    assert masked_words > 100


def test_tokens_are_masked_one_by_one_when_asked():
    documents = make_documents(3, 40)
    config = make_config(max_seq_length=64, do_whole_word_mask=False, dupe_factor=1)
    shard = instances.create_instances(documents, config, TABLES, random.Random(9))
    broken = 0
    for instance in shard:
        tokens = instances.expand_instance(instance, TABLES)
        assert len(instance.positions) == min(9, max(1, round(0.15 * len(tokens.ids))))
        joins = instances.join_segments(
            instance.document.joins, instance.pair, False, False
        )
        masked = set(instance.positions)
        broken += sum(
            joins[position] and position - 1 not in masked for position in masked
        )
    assert broken > 20


def test_labels_keep_the_mark_of_a_word_or_fall_back():
    without_form = 5 + WORDS - 1
    ids = np.array([5, 6, without_form, without_form], np.int32)
    marked = np.array([False, True, True, False])
    document = Document(ids, marked, marked, (3, 1))
    pair = instances.SegmentPair(0, 3, 3, 4, False)
    positions = instances.array("I", [1, 2, 3, 5])
    instance = instances.Instance(document, pair, positions, positions)
    tokens = instances.expand_instance(instance, TABLES)
    last = chr(0x4E00 + WORDS - 1)
    labels = VOCABULARY.to_tokens(tokens.labels)
    assert labels == ["一", "##丁", last, last]
    assert tokens.fell_back.tolist() == [False, False, True, False]
    assert tokens.originals.tolist() == [CLS, *ids[:3], SEP, ids[3], SEP]
    assert tokens.ids.tolist() == [CLS, 1, 2, 3, SEP, 5, SEP]
    assert tokens.first_length == 5


def test_the_same_seed_gives_the_same_instances_and_another_does_not():
    documents = make_documents(4, 20)
    config = make_config(max_seq_length=32)
    first, second, other = (
        [
            as_values(instance)
            for instance in instances.create_instances(
                documents, config, TABLES, random.Random(seed)
            )
        ]
        for seed in (1, 1, 2)
    )
    assert first == second
    assert first != other


def test_documents_are_neither_reordered_nor_changed():
    documents = make_documents(5, 20)
    copies = [
        Document(d.ids.copy(), d.marked.copy(), d.joins.copy(), d.sentence_lengths)
        for d in documents
    ]
    order = [id(document) for document in documents]
    config = make_config(do_whole_word_mask=True)
    for instance in instances.create_instances(
        documents, config, TABLES, random.Random(0)
    ):
        instances.expand_instance(instance, TABLES)
    assert [id(document) for document in documents] == order
    for document, copy in zip(documents, copies):
        for value, before in zip(document, copy):
            np.testing.assert_array_equal(value, before)


@pytest.mark.parametrize("dupe_factor", [1, 4])
def test_every_document_of_two_sentences_is_used_in_each_pass(dupe_factor):
    documents = [make_document(random.Random(n), 2) for n in range(10)]
    single = make_document(random.Random(99), 1)
    config = make_config(dupe_factor=dupe_factor, max_seq_length=128)
    calls = []
    shard = instances.create_instances(
        [single, *documents], config, TABLES, random.Random(0), calls.append
    )
    used = [id(instance.document) for instance in shard]
    assert sorted(used) == sorted([id(d) for d in documents] * dupe_factor)
    assert calls == [1] * 11 * dupe_factor


def test_word_boundaries_stand_at_the_tokens_that_continue_a_word():
    ids = np.array([5, 6, 7, 8, 9], np.int32)
    joins = np.array([False, True, False, False, True])
    document = Document(ids, joins, joins, (3, 2))
    pair = SegmentPair(0, 3, 3, 5, False)
    instance = instances.Instance(document, pair, array("I", [1]), array("I", [MASK]))
    tokens = instances.expand_instance(instance, TABLES)
    features = instances.make_features(instance, tokens, word_boundaries=True)
    # [CLS] 5 6* 7 [SEP] 8 9* [SEP]
    assert list(features["continues_word"]) == [0, 0, 1, 0, 0, 0, 1, 0]
    assert "continues_word" not in instances.make_features(instance, tokens)
    spec = feature_spec(10, 2, word_boundaries=True)
    values = tf.train.Example.FromString(serialize(features, spec)).features.feature
    written = values["continues_word"].int64_list.value
    assert list(written) == [0, 0, 1, 0, 0, 0, 1, 0, 0, 0]

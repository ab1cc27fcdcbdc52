"""The NER task: batches, losses, joining windows, decoding, scores."""

from __future__ import annotations

import types

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.modeling import ngrams
from albert.tasks.ner.config import NerConfig
from albert.tasks.ner.conll import ConllFile, Sentence
from albert.tasks.ner.emissions import gather_scored_tokens
from albert.tasks.ner.examples import plan_windows
from albert.tasks.ner.tag_schemes import LabelSet, count_illegal, find_scheme
from albert.tasks.ner.task import NerTask
from albert.text.tokenization import Tokenizer
from albert.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from albert.training.task import EVAL, PREDICT, TRAIN
from tests.golden import load_values

v1 = tf.compat.v1

BIO, BMES = find_scheme("BIO"), find_scheme("BMES")
CHARACTERS = "用支持向量机识别图像中的文字"
VOCABULARY = Vocabulary([*SPECIAL_TOKENS, *CHARACTERS])
WIDTH = 8


def _sentence(length, seed=0, tags=None):
    rng = np.random.default_rng(seed)
    columns = tuple(rng.choice(list(CHARACTERS), length))
    if tags is None:
        tags = [("O", "B-A", "I-A", "B-B")[i % 4] for i in range(length)]
    return Sentence(columns, tuple(tags), 1)


def _task(sentences, scheme=BIO, **settings):
    config = NerConfig(dropout_prob=0.0, **settings)
    label_set = LabelSet(scheme, ("A", "B"))
    encoder = types.SimpleNamespace(initializer_range=0.02)
    task = NerTask(config, label_set, Tokenizer(VOCABULARY), encoder)
    return task, task.make_source("train", ConllFile("f", (), tuple(sentences)), 1)


def _blind_encoder(input_ids, input_mask, segment_ids, training=False):
    """An encoder whose vector of a token depends on the token's id alone."""
    del input_mask, segment_ids, training
    table = np.random.default_rng(5).normal(size=(len(VOCABULARY), WIDTH))
    sequence = tf.gather(tf.constant(table, tf.float32), input_ids)
    return types.SimpleNamespace(sequence=sequence)


def _zero_encoder(input_ids, input_mask, segment_ids, training=False):
    del input_mask, segment_ids, training
    shape = tf.shape(input_ids)
    sequence = tf.zeros([shape[0], shape[1], WIDTH])
    sequence.set_shape([None, None, WIDTH])
    return types.SimpleNamespace(sequence=sequence)


def _run(pair, mode, encoder=_blind_encoder, batch_size=3, batches=None):
    """Return (predictions, name -> (total, weight) of losses) of each batch.

    The blind encoder's head gets fixed weights, the others keep the initial ones.
    """
    task, data = pair
    with tf.Graph().as_default(), v1.Session() as session:
        iterator = v1.data.make_initializable_iterator(data.read(mode, batch_size))
        output = task.build(iterator.get_next(), mode, encoder)
        losses = {name: term[:2] for name, term in output.losses.items()}
        rng = np.random.default_rng(3)
        trained = v1.trainable_variables()
        session.run([variable.initializer for variable in trained])
        values = [rng.normal(size=variable.shape.as_list()) for variable in trained]
        if encoder is _blind_encoder:
            load_values(session, list(zip(trained, values)))
        session.run(iterator.initializer)
        results = []
        while batches is None or len(results) < batches:
            try:
                results.append(session.run((dict(output.predictions), losses)))
            except tf.errors.OutOfRangeError:
                break
    return results


def _label(pair, encoder=_blind_encoder, batch_size=3):
    task, data = pair
    return task.decode((p for p, _ in _run(pair, EVAL, encoder, batch_size)), data)


def _batches(data, mode, batch_size, count=None):
    with tf.Graph().as_default(), v1.Session() as session:
        dataset = data.read(mode, batch_size)
        batch = v1.data.make_one_shot_iterator(dataset).get_next()
        found = []
        while count is None or len(found) < count:
            try:
                found.append(session.run(batch))
            except tf.errors.OutOfRangeError:
                break
    return found


def test_evaluation_reads_each_window_once_in_order_and_pads_it():
    sentences = [_sentence(5), _sentence(30), _sentence(2), _sentence(7)]
    _, data = _task(sentences, max_seq_length=12)
    batches = _batches(data, EVAL, 3)
    order = [int(s) for batch in batches for s in batch["sentence"]]
    assert order == sorted(order)
    assert set(order) == {0, 1, 2, 3}
    assert {len(batch["sentence"]) for batch in batches[:-1]} == {3}
    assert sum(int(batch["length"].sum()) for batch in batches) == 44
    for batch in batches:
        lengths = batch["input_mask"].sum(axis=1)
        assert batch["input_ids"].shape[1] == lengths.max()
        for row, length in enumerate(lengths):
            assert not batch["input_ids"][row, length:].any()
            assert batch["input_ids"][row, :length].all()


def test_training_reads_whole_shuffled_batches_without_end():
    sentences = [_sentence(3, seed) for seed in range(7)]
    _, data = _task(sentences)
    batches = _batches(data, TRAIN, 4, count=7)
    seen = np.stack([batch["sentence"] for batch in batches]).ravel()
    assert len(seen) == 28
    for start in range(0, 28, 7):  # four passes over seven sentences
        assert sorted(seen[start : start + 7]) == list(range(7))
    assert len({tuple(seen[start : start + 7]) for start in range(0, 28, 7)}) > 1
    again = _batches(data, TRAIN, 4, count=7)
    np.testing.assert_array_equal(
        seen, np.stack([b["sentence"] for b in again]).ravel()
    )


def test_training_batches_hold_windows_of_like_length():
    lengths = [2 + i % 40 for i in range(320)]  # 8 windows of each length
    _, data = _task([_sentence(length, seed=i) for i, length in enumerate(lengths)])
    batches = data.read(TRAIN, 8).take(80)  # two passes
    sizes = [batch["input_mask"].numpy().sum(axis=1) for batch in batches]
    spread = [size.max() - size.min() for size in sizes]
    assert np.mean(spread) < 8  # at random it would be about 32
    firsts = [size[0] for size in sizes]
    assert firsts != sorted(firsts)
    seen = np.bincount([n for size in sizes for n in size], minlength=44)[4:]
    assert seen.sum() == 640
    assert seen.min() >= 8  # every length came up about 16 times in two passes


def test_scored_tokens_are_taken_from_their_places():
    sequence = np.arange(2 * 5).reshape(2, 5, 1)
    with tf.Graph().as_default(), v1.Session() as session:
        found = session.run(
            gather_scored_tokens(tf.constant(sequence), tf.constant([1, 3]), 3)
        )
    assert found[..., 0].tolist() == [[1, 2, 3], [8, 9, 9]]


@pytest.mark.parametrize("head", ["softmax", "crf"])
def test_windows_of_a_long_sentence_are_labelled_like_the_whole(head):
    sentences = [_sentence(4), _sentence(150, seed=1), _sentence(33, seed=2)]
    whole = _label(_task(sentences, head=head, max_seq_length=512))
    for max_seq_length in (6, 13, 40):
        task = _task(sentences, head=head, max_seq_length=max_seq_length)
        labelling = _label(task, batch_size=2)
        assert labelling.tags == whole.tags
        if head == "softmax":  # a CRF's loss breaks its chain between windows
            assert labelling.loss == pytest.approx(whole.loss, rel=1e-5)
    assert len({tag for tags in whole.tags for tag in tags}) > 2
    assert [len(tags) for tags in whole.tags] == [4, 150, 33]


@pytest.mark.parametrize("mode", [TRAIN, EVAL])
@pytest.mark.parametrize("max_seq_length", [10, 128])
def test_softmax_loss_counts_each_character_once(mode, max_seq_length):
    sentences = [_sentence(3), _sentence(60)]
    task = _task(sentences, head="softmax", max_seq_length=max_seq_length)
    count = None if mode == EVAL else 1
    size = 1 + len(plan_windows(60, max_seq_length - 2))
    results = _run(task, mode, _zero_encoder, batch_size=size, batches=count)
    ((total, weight),) = [losses["label_loss"] for _, losses in results]
    assert weight == 63
    assert total == pytest.approx(63 * np.log(5), rel=1e-5)


def test_crf_loss_of_equal_scores_counts_legal_sequences():
    task = _task([_sentence(2, tags=("B-A", "I-A"))], head="crf")
    ((predictions, losses),) = _run(task, EVAL, _zero_encoder)
    # Of 5 * 5 pairs of O B-A I-A B-B I-B, six are illegal: O I-A, O I-B, B-A I-B,
    # I-A I-B, B-B I-A, I-B I-A.
    assert losses["label_loss"] == pytest.approx((np.log(19), 2), rel=1e-5)
    assert predictions["label_loss"] == pytest.approx([np.log(19)], rel=1e-5)


@pytest.mark.parametrize("scheme", [BIO, BMES], ids=["BIO", "BMES"])
def test_illegal_tags_in_the_data_leave_the_crf_loss_small(scheme):
    inside = "I-A" if scheme is BIO else "M-A"
    sentence = _sentence(4, tags=("O", inside, "B-B", inside))
    task = _task([sentence], scheme, head="crf")
    ((_, losses),) = _run(task, EVAL, _zero_encoder)
    assert 0 < losses["label_loss"][0] < 4 * np.log(9)


def test_prediction_needs_no_labels_and_gives_no_loss():
    sentence = Sentence(tuple("用图像"), None, 1)
    task = _task([sentence])
    ((predictions, losses),) = _run(task, PREDICT)
    assert losses == {}
    assert "label_loss" not in predictions
    labelling = task[0].decode([predictions], task[1])
    assert len(labelling.tags[0]) == 3
    assert np.isnan(labelling.loss)


def _batch(emissions, transitions=None):
    """A batch of predictions with one sentence a row; emissions [B, C, L]."""
    batch = {
        "emissions": emissions,
        "length": np.full(len(emissions), emissions.shape[1], np.int32),
        "sentence": np.arange(len(emissions), dtype=np.int32),
        "label_loss": np.ones(len(emissions), np.float32),
    }
    if transitions is not None:
        batch["transitions"] = np.repeat(transitions[None], len(emissions), axis=0)
    return batch


@pytest.mark.parametrize("scheme", [BIO, BMES], ids=["BIO", "BMES"])
def test_crf_never_gives_illegal_transitions(scheme):
    rng = np.random.default_rng(0)
    sentences = [_sentence(9, tags=("O",) * 9) for _ in range(50)]
    task = _task(sentences, scheme, head="crf")
    labels = LabelSet(scheme, ("A", "B")).labels
    emissions = rng.normal(size=(50, 9, len(labels))) * 5
    emissions[:, :, 0] -= 20  # so that almost nothing is O
    transitions = rng.normal(size=(len(labels),) * 2) * 5
    tags = task[0].decode([_batch(emissions, transitions)], task[1]).tags
    assert sum(count_illegal(sentence, scheme) for sentence in tags) == 0
    best = [[labels[i] for i in sentence.argmax(axis=-1)] for sentence in emissions]
    assert sum(count_illegal(sentence, scheme) for sentence in best) > 50


def test_scores_are_those_of_the_decoded_tags():
    gold = [("B-A", "I-A", "O"), ("O", "B-B", "O")]
    predicted = [("B-A", "I-A", "O"), ("O", "I-B", "O")]
    labels = ["O", "B-A", "I-A", "B-B", "I-B"]
    emissions = np.zeros((2, 3, 5))
    for row, tags in enumerate(predicted):
        for column, tag in enumerate(tags):
            emissions[row, column, labels.index(tag)] = 1
    task = _task([_sentence(3, tags=tags) for tags in gold])
    results = task[0].score([_batch(emissions)], task[1])
    assert results["eval_precision"] == 1  # strictly read, I-B after O is no entity
    assert results["eval_recall"] == 0.5
    assert results["eval_f"] == pytest.approx(2 / 3)
    assert results["eval_precision_default"] == 1
    assert results["eval_recall_default"] == 1
    assert results["eval_f_default"] == 1
    assert results["illegal_transitions_gold"] == 0
    assert results["illegal_transitions_predicted"] == 1
    assert results["loss"] == pytest.approx(2 / 6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"head": "lstm"}, "head must be one of crf, softmax; got 'lstm'"),
        ({"max_seq_length": 3}, "max_seq_length must be at least 4, got 3"),
        ({"dropout_prob": 1.0}, "dropout_prob must be .* below 1, got 1"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        NerConfig(**settings)


def test_ngram_weights_add_to_the_scores_of_the_tokens_that_are_scored():
    """Windows of 8 tokens, so that some are scored from an offset on."""
    sentences = [_sentence(15, seed=3)]
    plain, _ = _task(sentences, max_seq_length=8)
    task, source = _task(sentences, max_seq_length=8, ngram_features=True)
    with tf.Graph().as_default(), v1.Session() as session:
        batch = v1.data.make_one_shot_iterator(source.read(PREDICT, 8)).get_next()
        batch = {k: tf.constant(v) for k, v in session.run(batch).items()}
        with v1.variable_scope("", reuse=v1.AUTO_REUSE):
            scores = task.build(batch, PREDICT, _blind_encoder).predictions
            without = plain.build(batch, PREDICT, _blind_encoder).predictions
        rows = ngrams.ngram_rows(batch["input_ids"], batch["input_mask"])
        session.run(v1.global_variables_initializer())
        (weights,) = [v for v in v1.trainable_variables() if "ngrams" in v.name]
        table = np.random.default_rng(1).normal(size=weights.shape)
        weights.load(table.astype(np.float32), session)
        found, before, rows, batch = session.run(
            [scores["emissions"], without["emissions"], rows, batch]
        )
    assert batch["offset"].max() > 1
    for window, (start, count) in enumerate(zip(batch["offset"], batch["length"])):
        wanted = table[rows[window, start : start + count]].sum(axis=1)
        gained = (found - before)[window, :count]
        np.testing.assert_allclose(gained, wanted, atol=1e-4)

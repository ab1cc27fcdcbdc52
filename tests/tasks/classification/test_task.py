"""The model of classification: its labels, its loss, what its graph reads."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.modeling.config import AlbertConfig
from albert.modeling.output import EncoderOutput
from albert.tasks.classification.config import ClassificationConfig
from albert.tasks.classification.files import Row, RowFile
from albert.tasks.classification.labels import ClassLabels, sort_labels
from albert.tasks.classification.task import ClassificationTask, label_losses
from albert.text.tokenization import Tokenizer
from albert.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from albert.training.task import EVAL, PREDICT, TRAIN

v1 = tf.compat.v1
CHARACTERS = "甲乙丙丁"
TOKENS = [*SPECIAL_TOKENS, *CHARACTERS]
CONFIG = AlbertConfig(
    vocab_size=len(TOKENS), hidden_size=len(TOKENS), num_attention_heads=1
)


def make_task(pairs=False, labels=("0", "1"), **settings):
    settings = {"max_seq_length": 8, "dropout_prob": 0.0, **settings}
    return ClassificationTask(
        ClassificationConfig(**settings),
        ClassLabels(labels, pairs),
        Tokenizer(Vocabulary(TOKENS)),
        CONFIG,
    )


def make_file(*rows, pair=False, scored=True):
    found = [Row(text, None, label, i) for i, (text, label) in enumerate(rows, 1)]
    return RowFile("data.tsv", found, pair, scored)


def encode_by_ids(input_ids, input_mask, segment_ids, training):
    """Stand in for an encoder: the vector of a token is one-hot, at its id."""
    del input_mask, segment_ids, training
    vectors = tf.one_hot(input_ids, len(TOKENS))
    return EncoderOutput(vectors, vectors, (vectors,), vectors[:, 1], None)


def run(task, file, mode, name="train"):
    """Return losses and predictions of a file's batch; the head's weights are ids."""
    source = task.make_source(name, file, seed=1)
    batch = source.make_batch(np.arange(len(file.rows)))
    with tf.Graph().as_default(), v1.Session() as session:
        features = {n: tf.constant(batch[n]) for n in task.features(mode)}
        output = task.build(features, mode, encode_by_ids)
        session.run(v1.global_variables_initializer())
        weights, bias = v1.trainable_variables()[-2:]
        assert weights.op.name == "classifier/output_weights"
        weights.load(np.arange(weights.shape.num_elements()).reshape(weights.shape))
        bias.load(np.zeros(bias.shape))
        losses = {n: (t.total, t.weight) for n, t in output.losses.items()}
        return session.run((losses, dict(output.predictions)))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["10", "9", "9"], ("9", "10")),
        (["1", "-1", "0"], ("-1", "0", "1")),
        (["b", "10", "9"], ("10", "9", "b")),
    ],
)
def test_labels_stand_in_order(labels, expected):
    assert sort_labels(labels) == expected


def test_one_label_alone_is_nothing_to_learn():
    with pytest.raises(UserError, match="data.tsv has the label '1' alone"):
        ClassificationTask.collect_labels(make_file(("甲", "1"), ("乙", "1")))


def test_labels_are_kept_with_the_model():
    labels = ClassLabels(("x", "y"), True)
    value = ClassificationTask.labels_to_json(labels)
    assert value == {"labels": ["x", "y"], "pairs": True}
    assert ClassificationTask.labels_from_json(value) == labels


def test_losses_with_and_without_smoothing():
    logits = np.log([[0.5, 0.25, 0.25]]).astype(np.float32)
    with tf.Graph().as_default(), v1.Session() as session:
        plain, smooth = session.run(
            [label_losses(tf.constant(logits), tf.constant([0]), s) for s in (0, 0.3)]
        )
    # 0.7 on the label, 0.1 on each of the three.
    assert plain == pytest.approx(-np.log(0.5))
    expected = -(0.8 * np.log(0.5) + 0.2 * np.log(0.25))
    assert smooth == pytest.approx(expected)


def test_weights_of_classes_count_in_training_alone():
    file = make_file(("甲", "0"), ("乙", "0"), ("丙", "0"), ("丁", "1"))
    task = make_task(class_weights="balanced")
    trained, _ = run(task, file, TRAIN)
    scored, predicted = run(task, file, EVAL)
    # Weights N / (L * count): 4 / 6 and 4 / 2.
    losses = -np.log(
        np.exp(predicted["logits"]) / np.exp(predicted["logits"]).sum(1, keepdims=True)
    )
    right = losses[np.arange(4), [0, 0, 0, 1]]
    weights = np.array([2 / 3] * 3 + [2])
    assert trained["label_loss"][0] == pytest.approx((weights * right).sum(), rel=1e-5)
    assert trained["label_loss"][1] == pytest.approx(4)
    assert scored["label_loss"][0] == pytest.approx(right.sum(), rel=1e-5)


def test_the_vector_that_is_asked_for_is_read():
    file = make_file(("甲乙", "0"), ("丙", "1"))
    _, found = run(make_task(), file, PREDICT)
    # Pooled is here the vector of the token after [CLS]; its id is the weight.
    ids = [TOKENS.index("甲"), TOKENS.index("丙")]
    np.testing.assert_allclose(found["logits"][:, 0], ids)
    _, found = run(make_task(features="mean"), file, PREDICT)
    parts = [["[CLS]", "甲", "乙", "[SEP]"], ["[CLS]", "丙", "[SEP]"]]
    means = [np.mean([TOKENS.index(t) for t in part]) for part in parts]
    np.testing.assert_allclose(found["logits"][:, 0], means, rtol=1e-6)


@pytest.mark.parametrize(("kind", "join"), [("mean", np.mean), ("max", np.max)])
def test_windows_of_a_long_text_are_joined(kind, join):
    file = make_file(("甲" * 6 + "乙乙丙", "0"), ("丁", "1"))
    _, found = run(make_task(long_text=kind), file, PREDICT)
    # Of nine characters, windows of six: from the first, and from the fourth one.
    weights = np.arange(len(TOKENS))
    vectors = np.eye(len(TOKENS))[[TOKENS.index("甲"), TOKENS.index("甲")]]
    long = join(vectors, axis=0) @ weights
    np.testing.assert_allclose(found["logits"][:, 0], [long, TOKENS.index("丁")])


@pytest.mark.parametrize(
    ("pairs", "file_pairs", "message"),
    [
        (True, False, "data.tsv holds single texts, the model is for pairs of texts"),
        (False, True, "data.tsv holds pairs of texts, the model is for single texts"),
    ],
)
def test_pairs_and_single_texts_are_told_apart(pairs, file_pairs, message):
    file = make_file(("甲", "0"), pair=file_pairs)
    with pytest.raises(UserError, match=message):
        make_task(pairs).make_source("val", file, 1)


def test_windows_are_for_single_texts():
    with pytest.raises(UserError, match="--long_text is for single texts"):
        make_task(pairs=True, long_text="mean")


def test_a_label_that_training_lacks_is_named_or_left_out():
    file = make_file(("甲", "0"), ("乙", "7"))
    message = "data.tsv: line 2 has the label '7'; the model knows 0, 1; --bad_rows"
    with pytest.raises(UserError, match=message):
        make_task().make_source("val", file, 1)
    source = make_task(bad_rows="skip").make_source("val", file, 1)
    assert [row.text_a for row in source.rows] == ["甲"]
    unscored = make_file(("甲", "0"), ("乙", "7"), scored=False)
    assert len(make_task().make_source("predict", unscored, 1).rows) == 2

"""The graph against recordings of google-research/electra; decoding over batches."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from albert.modeling.encoder import make_encoder_builder
from albert.tasks.mrc.config import INDEPENDENT, JOINT, MrcConfig
from albert.tasks.mrc.decoding import RankedAnswer, Reading
from albert.tasks.mrc.output import (
    Decoded,
    choose_answer,
    make_report,
    write_predictions,
)
from albert.tasks.mrc.readers import TextSpan
from albert.tasks.mrc.squad import Answer, Passage, Question, SquadFile
from albert.tasks.mrc.task import Labels, MrcTask
from albert.training.optimization import GlobalBatchOptimizer, OptimizerSettings
from albert.training.rates import layerwise_rules
from albert.training.task import EVAL, PREDICT, TRAIN
from tests.electra_kit import find_finetuning
from tests.golden import placeholders, relative_error
from tests.tasks.mrc import recorded

v1 = tf.compat.v1

OWN = "qa_joint_cls_answerable"  # in the repository, the others in ../shared
CASES = (
    OWN,
    *(pytest.param(n, marks=pytest.mark.slow) for n in ("qa_joint", "qa_independent")),
)
# Layers of ours -> those of the reference, below `task_specific/<task>/`.
NAMES = {
    "start": "dense",
    "end": "dense_1",
    "joint_end_hidden": "qa_hidden",
    "joint_end": "dense_1",
    "answerable_hidden": "dense_2",
    "answerable": "dense_3",
    "answerable_first": "dense_2",
}


class Case:
    """A recorded case over our task."""

    def __init__(self, name, request):
        self.recorded = find_finetuning(name, request)
        qa, name = self.recorded.values["qa"], self.recorded.values["task"]
        settings = MrcConfig(
            head=JOINT if qa["joint_prediction"] else INDEPENDENT,
            max_seq_length=64,
            **{
                n: qa[n]
                for n in (
                    *("answerable_classifier", "answerable_uses_start_logits"),
                    *("answerable_weight", "beam_size"),
                )
            },
        )
        self.prefix = f"task_specific/{name}/"
        self.encoder = self.recorded.encoder_config("discriminator")
        labels = Labels(unanswerable=name == "squad")
        self.task = MrcTask(settings, labels, recorded.tokenizer(), self.encoder)
        self.build_encoder = make_encoder_builder(self.encoder)

    def batch(self, number):
        """The rows of a batch that are no padding, and which these are."""
        found = self.recorded.group(f"batch{number}/input/")
        task = self.prefix.split("/")[1]
        rows = found["input_mask"].any(axis=1)
        inputs = {
            **{n: found[n] for n in ("input_ids", "input_mask", "segment_ids")},
            "start": found[f"{task}_start_positions"],
            "end": found[f"{task}_end_positions"],
            "is_impossible": found[f"{task}_is_impossible"],
        }
        return {name: value[rows] for name, value in inputs.items()}, rows

    def their_name(self, name):
        """The reference's name of a variable of ours."""
        scope, _, rest = name.partition("/")
        if scope != "reading":
            return name
        layer, _, rest = rest.partition("/")
        return f"{self.prefix}{NAMES[layer]}/{rest}"

    def variables(self):
        return {self.their_name(v.op.name): v for v in v1.trainable_variables()}

    def build(self, mode, features):
        with v1.variable_scope("", reuse=v1.AUTO_REUSE):
            return self.task.build(features, mode, self.build_encoder)


@pytest.fixture(params=CASES)
def case(request):
    return Case(request.param, request)


def likely(scores, log_probability=-100.0):
    """Where a beam is no rounding: among disallowed positions ranks are (section 6)."""
    return scores > log_probability


def test_names_outputs_and_losses_are_the_recorded_ones(case):
    with tf.Graph().as_default():
        features = {
            name: v1.placeholder(x.dtype, [None, *x.shape[1:]])
            for name, x in case.batch(0)[0].items()
        }
        output = case.build(EVAL, features)
        terms = output.losses.values()
        total = sum(term.total * term.factor for term in terms)
        weights = [term.weight for term in terms]
        variables = case.variables()
        shapes = {name: v.shape.as_list() for name, v in variables.items()}
        assert shapes == case.recorded.values["variables"]
        with case.recorded.session(variables) as session:
            for number in (0, 1):
                batch, rows = case.batch(number)
                feed = {features[name]: value for name, value in batch.items()}
                fetches = output.predictions, total, weights
                found, loss, counts = session.run(fetches, feed)
                train, predict = (
                    {n: v[rows] for n, v in recordings.items() if np.ndim(v)}
                    for recordings in (
                        case.recorded.group(f"batch{number}/{mode}/")
                        for mode in ("train", "predict")
                    )
                )
                np.testing.assert_allclose(found["loss"], train["loss"], atol=2e-5)
                assert loss == pytest.approx(train["loss"].sum(), rel=1e-5)
                assert set(counts) == {rows.sum()}
                check_predictions(case, found, predict)


def check_predictions(case, found, wanted):
    """Compare the predictions of a batch with what the reference predicts."""
    if case.task.settings.answerable_classifier:
        np.testing.assert_allclose(
            found["answerable"], wanted["answerable_logit"], atol=2e-5
        )
    if case.task.settings.head == INDEPENDENT:
        for ours, theirs in (("starts", "start_logits"), ("ends", "end_logits")):
            # The logits of disallowed positions lie near -1000.
            np.testing.assert_allclose(
                found[ours], wanted[theirs], atol=2e-5, rtol=1e-6
            )
        return
    for place in ("start", "end"):
        scores, places = (wanted[f"{place}_top_{n}"] for n in ("log_probs", "index"))
        # Among disallowed positions ranks are rounding (section 6).
        sure = scores > -100
        assert sure.mean() > 0.8
        ours = found[f"top_{place}_scores"][sure]
        np.testing.assert_allclose(ours, scores[sure], atol=3e-5)
        np.testing.assert_array_equal(found[f"top_{place}s"][sure], places[sure])


def check_gradients(found, wanted):
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        if np.abs(value).max() < 1e-6:  # of key biases and the start's: zero in theory
            np.testing.assert_allclose(found[name], value, atol=1e-5)
        else:
            assert relative_error(found[name], value) < 1e-4, name


@pytest.mark.slow
def test_gradients_and_four_steps_are_the_recorded_ones(case):
    """Gradients of the sum over batch 0; AdamW at the recorded, decayed rates.

    The reference clips by a norm in which the gradient of the table of words counts row
    by row before equal rows are summed (section 5): its recorded factor is used here.
    The true norm, by which ours clips, is compared with the recorded one.
    """
    values = case.recorded.values
    rules = layerwise_rules(case.encoder, values["layerwise_lr_decay"])
    arrays = case.recorded.group("adamw/")
    with tf.Graph().as_default():
        features = {
            name: v1.placeholder(x.dtype, [None, *x.shape[1:]])
            for name, x in case.batch(0)[0].items()
        }
        losses = case.build(TRAIN, features).losses.values()
        loss = sum(term.total * term.factor for term in losses)
        variables = case.variables()
        rate, factor = (v1.placeholder(tf.float32, [], n) for n in ("rate", "factor"))
        gradients = {
            name: tf.convert_to_tensor(gradient)
            for name, gradient in zip(
                variables, tf.gradients(loss, list(variables.values()))
            )
        }
        norm = tf.linalg.global_norm(list(gradients.values()))
        settings = OptimizerSettings(
            weight_decay=values["weight_decay_rate"], clip_norm=1e9, rate_rules=rules
        )
        optimizer = GlobalBatchOptimizer("adamw", rate, settings=settings)
        scaled = [(gradients[name] * factor, v) for name, v in variables.items()]
        step = optimizer.apply_gradients(scaled)
        with case.recorded.session(variables) as session:
            for index, number in enumerate(values["steps"]):
                feed = {features[n]: x for n, x in case.batch(number)[0].items()}
                if index == 0:
                    wanted = case.recorded.group("batch0/gradient/")
                    check_gradients(session.run(gradients, feed), wanted)
                feed[rate] = arrays["learning_rate/task_specific"][index]
                feed[factor] = 1 / max(arrays["norm_as_clipped"][index], 1.0)
                found_norm, found_loss, _ = session.run((norm, loss, step), feed)
                assert found_loss == pytest.approx(arrays["losses"][index], rel=1e-4)
                wanted_norm = arrays["norm_dense"][index]
                assert found_norm == pytest.approx(wanted_norm, rel=1e-3)
            final = session.run(variables)
    wanted = case.recorded.group("adamw/final/")
    sums = case.recorded.group("batch0/gradient/")
    assert set(final) == set(wanted)
    for name, value in wanted.items():
        # The gradient of a bias that moves all logits of a softmax alike is 0 but for
        # rounding, which AdamW divides by its own size.
        rounding = np.abs(sums[name]).max() < 1e-6
        atol = 1e-4 if rounding else 1e-5
        np.testing.assert_allclose(final[name], value, atol=atol, err_msg=name)


def test_prediction_needs_no_gold_and_gives_the_same_beam(request):
    case = Case(OWN, request)
    batch, _ = case.batch(0)
    with tf.Graph().as_default():
        features = placeholders(batch)
        scored = case.build(EVAL, features).predictions
        bare = {n: features[n] for n in case.task.features(PREDICT)}
        assert not set(bare) & {"start", "end", "is_impossible"}
        predicted = case.build(PREDICT, bare).predictions
        assert set(scored) == {*predicted, "loss"}
        with case.recorded.session(case.variables()) as session:
            feed = {features[name]: value for name, value in batch.items()}
            one, other = session.run((scored, predicted), feed)
    for name, value in other.items():
        np.testing.assert_allclose(one[name], value, atol=1e-6)


def make_task(**changes):
    values = {"max_seq_length": 24, "doc_stride": 4, "head": INDEPENDENT}
    values.update(answerable_classifier=False, beam_size=4)
    settings = MrcConfig(**{**values, **changes})
    return MrcTask(settings, Labels(False), recorded.tokenizer(), None)


def test_batches_hold_each_window_once_and_decode_to_its_question():
    """Two questions, one of three windows; batches cut through them."""
    passage = "水在一百度沸腾。水在零度结冰。水有三态。水是液体。"
    questions = (
        Question("a", "水在多少度沸腾？", (Answer("一百度", 2),)),
        Question("b", "水？", (Answer("液体", 22),)),
    )
    task = make_task()
    data = SquadFile("data.json", (Passage(passage, questions),))
    source = task.make_source("val", data, 1)
    counts = [len(example.windows) for example in source.examples]
    assert counts[0] > 2
    assert source.num_examples == sum(counts)
    batches = list(source.read(EVAL, 2).as_numpy_iterator())
    assert [len(batch["input_ids"]) for batch in batches[:-1]] == [2] * (
        len(batches) - 1
    )
    assert sum(len(batch["input_ids"]) for batch in batches) == sum(counts)

    def point(batch):
        """What a model says that knows the answers."""
        length = batch["input_ids"].shape[1]
        hot = np.eye(length) * 9
        return {
            "starts": hot[batch["start"]],
            "ends": hot[batch["end"]],
            "loss": np.ones(len(batch["start"])),
        }

    decoded = task.decode(map(point, batches), source)
    assert list(decoded.answers) == ["一百度", "液体"]
    assert decoded.loss == 1
    assert decoded.readings[0].answers[0].span == ("一百度", 2, 5)
    report = task.report(decoded, source)
    assert report.metrics == {
        **dict.fromkeys(("eval_em", "eval_f1", "eval_average"), 100.0),
        "loss": 1,
    }


def test_questions_without_an_answer_have_rows_of_their_own():
    questions = [
        Question("a", "水？", (Answer("水", 0),)),
        Question("b", "火？", (), is_impossible=True),
    ]
    report = make_report(questions, ["水。", "水"], 0.5)
    assert report.metrics() == {
        **dict.fromkeys(("eval_em", "eval_f1", "eval_average"), 50.0),
        "loss": 0.5,
    }
    rows = [line.rsplit(maxsplit=4) for line in report.table().splitlines()[1:]]
    assert rows == [
        ["all", "2", "50.000", "50.000", "50.000"],
        ["with an answer", "1", "100.000", "100.000", "100.000"],
        ["without an answer", "1", "0.000", "0.000", "0.000"],
    ]


@pytest.mark.parametrize(
    ("null_score", "unanswerable", "threshold", "answer"),
    [
        (0.5, True, 0.0, ""),
        (0.5, False, 0.0, "水"),  # of a model that has seen an answer to each
        (0.5, True, 0.5, "水"),
        (None, True, 0.0, "水"),
    ],
)
def test_no_answer_is_given_above_the_threshold(
    null_score, unanswerable, threshold, answer
):
    ranked = RankedAnswer(TextSpan("水", 0, 1), 1.0, 1.0)
    settings = MrcConfig(null_score_threshold=threshold)
    reading = Reading((ranked,), null_score)
    assert choose_answer(reading, unanswerable, settings) == answer


@pytest.mark.parametrize("n_best", [False, True])
@pytest.mark.parametrize("unanswerable", [False, True])
def test_null_scores_are_written_where_there_may_be_no_answer(
    n_best, unanswerable, tmp_path
):
    ranked = RankedAnswer(TextSpan("水", 0, 1), 1.0, 1.0)
    decoded = Decoded([Reading((ranked,), -0.5)], ["水"], 0.0)
    stem = str(tmp_path / "p")
    write_predictions(stem, ["q1"], decoded, n_best, unanswerable)
    wanted = {
        "p.json": {"q1": "水"},
        "p_nbest.json": {
            "q1": [{"text": "水", "start": 0, "end": 1, "score": 1, "probability": 1}]
        },
        "p_null_scores.json": {"q1": -0.5},
    }
    if not n_best:
        del wanted["p_nbest.json"]
    if not unanswerable:
        del wanted["p_null_scores.json"]
    paths = tmp_path.iterdir()
    assert {path.name: json.loads(path.read_text("utf-8")) for path in paths} == wanted

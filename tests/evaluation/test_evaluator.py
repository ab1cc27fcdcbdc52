"""Evaluating checkpoints and keeping the best."""

from __future__ import annotations

import logging
import os

import numpy as np
import pytest

from albert.base.errors import UserError
from albert.checkpoints import variables as checkpoints
from albert.checkpoints.best import BestCheckpoint
from albert.evaluation.evaluator import CheckpointEvaluator, write_results
from albert.modeling.config import AlbertConfig
from albert.modeling.encoder import make_encoder_builder
from albert.training.task import DataSource
from tests.golden import Golden


@pytest.fixture(scope="module")
def golden(testdata):
    return Golden(testdata / "modeling/postln")


class Recorded(DataSource):
    """Reads the recorded batches one after another."""

    def __init__(self, golden):
        self._golden = golden

    def read(self, mode, batch_size):
        import tensorflow as tf

        batches = [self._golden.batch(i) for i in range(3)]
        data = {n: np.concatenate([b[n] for b in batches]) for n in batches[0]}
        return tf.data.Dataset.from_tensor_slices(data).batch(batch_size)


def make_evaluator(golden, batch_size, build_encoder=None, **arguments):
    encoder = build_encoder or golden.build_encoder
    return CheckpointEvaluator(
        golden.task, Recorded(golden), encoder, batch_size, **arguments
    )


def hand_mean(golden, name, weighted):
    """The mean over all recorded batches, from the recorded losses of examples."""
    total = weight = 0.0
    for index in range(3):
        losses = golden.arrays[f"batch{index}/output/{name}"]
        weights = np.ones_like(losses)
        if weighted:
            weights = golden.batch(index)["masked_lm_weights"].reshape(-1)
        total += np.sum(losses * weights)
        weight += np.sum(weights)
    return total / weight


@pytest.mark.parametrize("batch_size", [1, 4, 6, 18])
def test_means_are_over_examples_whatever_the_batch(golden, batch_size):
    # 18 examples in batches of 4 end with a smaller one, which must not weigh more.
    evaluator = make_evaluator(golden, batch_size)
    results = evaluator.evaluate(golden.checkpoint)
    evaluator.close()
    lm = hand_mean(golden, "masked_lm_example_loss", weighted=True)
    order = hand_mean(golden, "sentence_order_example_loss", weighted=False)
    assert results["masked_lm_loss"] == pytest.approx(lm, rel=1e-5)
    assert results["sentence_order_loss"] == pytest.approx(order, rel=1e-5)
    assert results["loss"] == pytest.approx(lm + order, rel=1e-5)
    assert results["masked_lm_perplexity"] == pytest.approx(np.exp(lm), rel=1e-4)


def test_accuracies_count_the_highest_logits(golden):
    evaluator = make_evaluator(golden, 6)
    results = evaluator.evaluate(golden.checkpoint)
    hits = weight = order_hits = 0
    for index in range(3):
        batch = golden.batch(index)
        log_probs = golden.arrays[f"batch{index}/output/masked_lm_log_probs"]
        weights = batch["masked_lm_weights"].reshape(-1)
        labels = batch["masked_lm_ids"].reshape(-1)
        hits += np.sum(weights * (log_probs.argmax(-1) == labels))
        weight += weights.sum()
        order = golden.arrays[f"batch{index}/output/sentence_order_log_probs"]
        order_hits += np.sum(order.argmax(-1) == batch["next_sentence_labels"][:, 0])
    assert results["masked_lm_accuracy"] == pytest.approx(hits / weight, abs=1e-5)
    assert results["sentence_order_accuracy"] == pytest.approx(order_hits / 18)


def test_max_batches_ends_an_evaluation_early(golden):
    evaluator = make_evaluator(golden, 4, max_batches=2)
    batches = list(evaluator.batches(golden.checkpoint))
    assert [len(b["sentence_order_loss"]) for b in batches] == [4, 4]


def test_one_evaluator_serves_several_checkpoints(golden, tmp_path):
    names = checkpoints.slim_names(golden.checkpoint)
    variables = checkpoints.read_variables(golden.checkpoint, names)
    variables["cls/seq_relationship/output_bias"] += np.float32([10, 0])
    other = str(tmp_path / "other.ckpt")
    checkpoints.write_variables(other, variables)
    evaluator = make_evaluator(golden, 6)
    first = evaluator.evaluate(golden.checkpoint)
    changed = evaluator.evaluate(other)
    again = evaluator.evaluate(golden.checkpoint)
    assert changed["sentence_order_loss"] > first["sentence_order_loss"] + 1
    assert again == first


def test_a_checkpoint_of_another_model_does_not_fit(golden, tmp_path):
    config = AlbertConfig(
        vocab_size=131,
        hidden_size=48,
        embedding_size=16,
        num_attention_heads=4,
        intermediate_size=32,
        num_hidden_layers=1,
    )
    evaluator = make_evaluator(golden, 6, build_encoder=make_encoder_builder(config))
    with pytest.raises(
        UserError, match=r"has shape \[64, 48\], the model's is \[512, 48\]"
    ):
        evaluator.evaluate(golden.checkpoint)


def make_checkpoint(folder, step):
    prefix = os.path.join(folder, f"model.ckpt-{step}")
    values = {"w": np.float32([step]), "w/lamb_m": np.float32([0])}
    checkpoints.write_variables(prefix, {**values, "global_step": np.int64(step)})
    return prefix


def test_the_best_checkpoint_is_kept_and_outlives_a_restart(tmp_path):
    best = BestCheckpoint(str(tmp_path), "f")
    assert best.path is None
    kept = []
    for step, f in ((1, 0.5), (2, 0.7), (3, 0.6)):
        prefix = make_checkpoint(tmp_path, step)
        kept.append(BestCheckpoint(str(tmp_path), "f").offer(prefix, step, {"f": f}))
    assert kept == [True, True, False]
    best = BestCheckpoint(str(tmp_path), "f")
    assert best.step == 2
    found = checkpoints.read_variables(best.path, ["w", "global_step"])
    assert found["w"] == 2
    assert found["global_step"] == 2
    assert "w/lamb_m" not in checkpoints.read_shapes(best.path)
    assert len([n for n in os.listdir(tmp_path / "best") if ".index" in n]) == 1


def test_lower_can_be_better(tmp_path):
    best = BestCheckpoint(str(tmp_path), "loss", higher_is_better=False)
    assert best.offer(make_checkpoint(tmp_path, 1), 1, {"loss": 2.0})
    assert not best.offer(make_checkpoint(tmp_path, 2), 2, {"loss": 3.0})
    assert best.offer(make_checkpoint(tmp_path, 3), 3, {"loss": 1.0})


def test_of_equal_values_the_lower_loss_is_the_best_and_that_is_said(tmp_path, caplog):
    logging.getLogger("absl").propagate = True
    best = BestCheckpoint(str(tmp_path), "f")
    kept = [
        best.offer(make_checkpoint(tmp_path, step), step, {"f": 0.0, "loss": loss})
        for step, loss in ((1, 3.0), (2, 2.0), (3, 2.5), (4, 2.0))
    ]
    assert kept == [True, True, False, False]
    assert best.step == 2
    assert "f is 0.0000 at step 2 as at step 1: the lower loss decides" in caplog.text
    assert best.offer(make_checkpoint(tmp_path, 5), 5, {"f": 0.1, "loss": 9.0})


def test_results_are_sorted_lines(tmp_path):
    path = tmp_path / "eval_results.txt"
    write_results(str(path), {"loss": 0.5, "global_step": 3})
    assert path.read_text() == "global_step = 3\nloss = 0.5\n"

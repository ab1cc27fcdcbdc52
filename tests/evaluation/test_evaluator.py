"""Evaluating checkpoints and keeping the best."""

from __future__ import annotations

import numpy as np
import pytest

from albert.base.errors import UserError
from albert.checkpoints import restoring, storage
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


@pytest.mark.slow
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
    names = restoring.slim_names(golden.checkpoint)
    variables = storage.read_variables(golden.checkpoint, names)
    variables["cls/seq_relationship/output_bias"] += np.float32([10, 0])
    other = str(tmp_path / "other.ckpt")
    storage.write_variables(other, variables)
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


def test_results_are_sorted_lines(tmp_path):
    path = tmp_path / "eval_results.txt"
    write_results(str(path), {"loss": 0.5, "global_step": 3})
    assert path.read_text() == "global_step = 3\nloss = 0.5\n"

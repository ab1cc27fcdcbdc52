"""Steps of replaced token detection: ours, and by transformers' modules in PyTorch."""

from __future__ import annotations

from typing import Callable, Mapping, Optional

import numpy as np
import tensorflow as tf
from estimate import Run
from pretraining_cases import Case

from albert.modeling.encoder import make_encoder_builder
from albert.modeling.huggingface_config import to_huggingface
from albert.tasks.electra.config import ObjectiveConfig
from albert.tasks.electra.masking import SpecialIds
from albert.tasks.electra.source import EXAMPLE_NUMBER
from albert.tasks.electra.task import ElectraTask
from albert.training.config import TrainingConfig
from albert.training.step import build_train_step

v1 = tf.compat.v1

_SPECIAL = SpecialIds(101, 102, 103)  # [CLS], [SEP], [MASK] of the published vocabulary

Batch = Mapping[str, np.ndarray]


def _synthetic_batch(run: Run) -> Batch:
    """Return a batch without padding, as records hold it."""
    rng = np.random.default_rng(0)
    shape = (run.examples, run.length)
    ids = rng.integers(110, run.config.vocab_size, shape, np.int32)
    ids[:, 0], ids[:, -1] = _SPECIAL.cls, _SPECIAL.sep
    return {
        "input_ids": ids,
        "input_mask": np.ones(shape, np.int32),
        "segment_ids": np.zeros(shape, np.int32),
        EXAMPLE_NUMBER: np.arange(run.examples, dtype=np.int64),
    }


def _our_step(run: Run, batch: Batch) -> Callable[[], None]:
    """Return a step as run_electra_pretraining.py makes it, masks drawn anew."""
    with tf.Graph().as_default():
        inputs = {
            name: v1.placeholder(value.dtype, value.shape)
            for name, value in batch.items()
        }
        task = ElectraTask(run.config, ObjectiveConfig(), run.length, _SPECIAL)
        settings = TrainingConfig(
            "unused", 5e-4, 10_000, 10, run.examples, optimizer="adamw"
        )
        build = make_encoder_builder(run.config)
        step = build_train_step(task, build, inputs, settings)
        session = v1.Session()
        session.run(
            [v1.global_variables_initializer(), v1.local_variables_initializer()]
        )
    values = {inputs[name]: batch[name] for name in inputs}
    return lambda: session.run(step.train_op, values)


def _their_step(run: Run, batch: Batch) -> Optional[Callable[[], None]]:
    """Return the same by ElectraForMaskedLM and ElectraForPreTraining, None without.

    As one would write it: embeddings are shared, and logits over the vocabulary are
    computed at the masked positions alone, which their forward pass does not do.
    """
    try:
        import torch
        import transformers
        from torch.nn import functional
    except ImportError:
        return None

    def config(ours) -> transformers.ElectraConfig:
        return transformers.ElectraConfig(**to_huggingface(ours))

    discriminator = transformers.ElectraForPreTraining(config(run.config))
    generator = transformers.ElectraForMaskedLM(config(run.generator))
    generator.electra.embeddings = discriminator.electra.embeddings
    words = discriminator.electra.embeddings.word_embeddings
    generator.generator_lm_head.weight = words.weight
    variables = {id(p): p for m in (discriminator, generator) for p in m.parameters()}
    optimizer = torch.optim.AdamW(variables.values(), lr=5e-4, weight_decay=0.01)
    discriminator.train()
    generator.train()
    text, mask, segments = (
        torch.tensor(batch[name], dtype=torch.long)
        for name in ("input_ids", "input_mask", "segment_ids")
    )

    def run_step() -> None:
        positions = torch.rand(text.shape[0], run.length - 2).argsort(1) + 1
        positions = positions[:, : run.masks]
        labels = text.gather(1, positions)
        shown = torch.where(torch.rand(labels.shape) < 0.85, _SPECIAL.mask, labels)
        seen = generator.electra(
            text.scatter(1, positions, shown), mask, segments
        ).last_hidden_state
        index = positions[..., None].expand(-1, -1, seen.shape[-1])
        hidden = generator.generator_predictions(seen.gather(1, index))
        logits = generator.generator_lm_head(hidden)
        loss = functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        noise = -torch.log(-torch.log(torch.rand(logits.shape) + 1e-9) + 1e-9)
        sampled = (logits.detach() + noise).argmax(-1)
        corrupted = text.scatter(1, positions, sampled)
        found = discriminator(corrupted, mask, segments).logits
        is_fake = (corrupted != text).float()
        loss = loss + 50 * functional.binary_cross_entropy_with_logits(found, is_fake)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(variables.values()), 1.0)
        optimizer.step()

    return run_step


def electra_cases(run: Run, steps: int) -> list[Case]:
    """Return steps on one synthetic batch: ours, and theirs where they are installed.

    Args:
        run: the networks, and the shape of a batch.
        steps: of a round.
    """
    batch = _synthetic_batch(run)
    runners = {
        "ELECTRA": _our_step(run, batch),
        "ELECTRA, transformers' modules": _their_step(run, batch),
    }

    def repeat(step: Callable[[], None]) -> Callable[[], None]:
        return lambda: [step() for _ in range(steps)] and None

    return [
        Case(name, repeat(step), steps * run.examples, "examples/s")
        for name, step in runners.items()
        if step is not None
    ]

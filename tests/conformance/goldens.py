"""What every encoder's outputs are compared with, a row each.

A row is a function that yields `Compared`, at least one named "sequence": recorded
outputs of a reference implementation, or those of plain NumPy.
"""

from __future__ import annotations

import functools
from typing import Any, Callable, Iterator, NamedTuple

import numpy as np
import tensorflow as tf

from albert.checkpoints import restoring
from albert.modeling import heads, layers
from albert.modeling.encoder import make_encoder_builder
from tests.conformance.kit import make_tokens, small_config
from tests.conftest import TESTDATA
from tests.electra_kit import Recorded
from tests.golden import Golden, load_values, placeholders, plain_session
from tests.modeling import local_reference, transformer_reference

v1 = tf.compat.v1


class Compared(NamedTuple):
    """An output and what it should be, [...].

    The largest difference is to be below `tolerance` times the largest wanted value.
    """

    name: str
    found: np.ndarray
    wanted: np.ndarray
    tolerance: float = 1e-5


def recorded(layout: str) -> Iterator[Compared]:
    """The outputs of a published implementation under TensorFlow 1.15."""
    golden = Golden(TESTDATA / "modeling" / layout)
    with tf.Graph().as_default():
        inputs = placeholders(golden.batch(0))
        encoded = golden.build_encoder(
            inputs["input_ids"], inputs["input_mask"], inputs["segment_ids"]
        )
        lm_logits = heads.masked_lm_logits(
            layers.gather_positions(encoded.sequence, inputs["masked_lm_positions"]),
            encoded.token_decoder,
            golden.config,
        )
        order_logits = heads.sentence_order_logits(encoded.pooled, 0.02)
        outputs = {
            "embedding_output": encoded.embedding_output,
            "sequence_output": encoded.sequence,
            "pooled_output": encoded.pooled,
            "masked_lm_log_probs": tf.nn.log_softmax(lm_logits),
            "sentence_order_log_probs": tf.nn.log_softmax(order_logits),
        }
        for index, layer in enumerate(encoded.layers):
            outputs[f"all_encoder_layers_{index}"] = layer
        with golden.session() as session:
            for index in range(3):
                batch = golden.batch(index)
                feed = {inputs[name]: value for name, value in batch.items()}
                for name, found in session.run(outputs, feed).items():
                    wanted = golden.arrays[f"batch{index}/output/{name}"]
                    yield Compared(name.removesuffix("_output"), found, wanted)


def recorded_electra() -> Iterator[Compared]:
    """The outputs of the discriminator of google-research/electra."""
    case = Recorded(TESTDATA / "electra/pretraining/base")
    build = make_encoder_builder(case.encoder_config("discriminator"))
    for batch in range(3):
        arrays = case.group(f"batch{batch}/")
        inputs = [
            arrays[name]
            for name in (
                "output/sample/corrupted_input_ids",
                "input/input_mask",
                "input/segment_ids",
            )
        ]
        with tf.Graph().as_default():
            output = build(*inputs)
            with case.session() as session:
                found = session.run({**output._asdict(), "token_decoder": ()})
        wanted = "output/discriminator/"
        every = arrays[f"{wanted}all_layers"]
        name = "embedding_output"
        yield Compared(name, found[name], arrays[wanted + name])
        yield Compared("layers", np.stack(found["layers"]), every)
        yield Compared("sequence", found["sequence"], every[-1])
        yield Compared("pooled", found["pooled"], every[-1][:, 0])


def computed(
    architecture: str,
    embed: Callable[..., np.ndarray],
    forward: Callable[..., np.ndarray],
    pool: Callable[..., np.ndarray],
    **changes: Any,
) -> Iterator[Compared]:
    """The outputs of plain NumPy, with random variables.

    Args:
        embed: called with the ids and segments of an example's tokens, [its tokens],
            and the variables by their names within the encoder's scope.
        forward: called with what `embed` gave, the variables and the config.
        pool: called with what `forward` gave and the variables.
        changes: of the small config.
    """
    config = small_config(architecture, **changes)
    tokens = make_tokens(np.random.default_rng(3), shortest=1)
    with tf.Graph().as_default(), plain_session() as session:
        inputs = map(tf.constant, (tokens.ids, tokens.mask, tokens.segments))
        output = make_encoder_builder(config)(*inputs)
        values = load_random_values(session)
        sequence, pooled = session.run((output.sequence, output.pooled))
    values = {
        name.removeprefix(f"{config.scope}/"): value for name, value in values.items()
    }
    for row, length in enumerate(tokens.lengths):
        ids, segments = tokens.ids[row, :length], tokens.segments[row, :length]
        wanted = forward(embed(ids, segments, values), values, config)
        # float32 against float64.
        yield Compared("sequence", sequence[row, :length], wanted, 3e-5)
        yield Compared("pooled", pooled[row], pool(wanted, values), 3e-5)


def load_random_values(session: v1.Session, seed: int = 7) -> dict[str, np.ndarray]:
    """Give all variables of the graph values; return these in float64 by name.

    Neither zeros nor ones, so that no variable can be left out unseen.
    """
    rng = np.random.default_rng(seed)
    variables = restoring.model_variables()
    values = [rng.normal(0.1, 0.4, v.shape).astype(np.float32) for v in variables]
    load_values(session, list(zip(variables, values)))
    return {v.op.name: x.astype(np.float64) for v, x in zip(variables, values)}


def _local(architecture: str, **changes: Any) -> Callable[[], Iterator[Compared]]:
    forward = getattr(local_reference, architecture)
    parts = (local_reference.embed, forward, local_reference.pool)
    return functools.partial(computed, architecture, *parts, **changes)


_BERT = (
    transformer_reference.embed,
    transformer_reference.bert,
    transformer_reference.pool_first,
)

# architecture -> its rows.
GOLDENS: dict[str, tuple[Callable[[], Iterator[Compared]], ...]] = {
    "albert_zh": tuple(
        functools.partial(recorded, layout) for layout in ("postln", "preln")
    ),
    "albert": (functools.partial(recorded, "google"),),
    "electra": (recorded_electra,),
    "bert": (functools.partial(computed, "bert", *_BERT),),
    "conv": (_local("conv", kernel_size=3),),
    "textcnn": (_local("textcnn", kernel_size=5),),
    "bilstm": (_local("bilstm"),),
    "embeddings": (_local("embeddings"),),
}

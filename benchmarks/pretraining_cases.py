"""The cases of the benchmark of pretraining: what is run, and how much it handles."""

from __future__ import annotations

import dataclasses
import statistics
from typing import Callable, Mapping, Optional, Sequence

import numpy as np
import tensorflow as tf

from albert.base.errors import UserError
from albert.modeling.config import AlbertConfig
from albert.modeling.encoder import make_encoder_builder
from albert.records import features as records
from albert.tasks import record_input as pretraining_input
from albert.tasks.pretraining.task import PretrainingTask
from albert.training.config import TrainingConfig
from albert.training.step import build_train_step

v1 = tf.compat.v1

_PRODUCT = 2048  # rows and columns of the large matrix product
_SAMPLED_BATCHES = 8  # of an epoch in buckets, evenly spaced by width

Batch = Mapping[str, np.ndarray]


@dataclasses.dataclass
class Case:
    """One line of the table.

    Attributes:
        name: its first column.
        run: does the work of one round.
        units: what one round handles: examples, or 10^9 floating point operations.
        unit: the name of a unit.
        seconds: what each round has taken.
    """

    name: str
    run: Callable[[], None]
    units: float
    unit: str
    seconds: list[float] = dataclasses.field(default_factory=list)

    @property
    def rate(self) -> float:
        """Units a second, the median of the rounds."""
        return self.units / statistics.median(self.seconds)


def synthetic_batch(
    config: AlbertConfig, batch_size: int, length: int, masks: int
) -> Batch:
    """Return a batch without padding, every masked position used; see `records`."""
    rng = np.random.default_rng(0)
    positions = np.stack(
        [np.sort(rng.choice(length, masks, replace=False)) for _ in range(batch_size)]
    )
    return {
        "input_ids": rng.integers(0, config.vocab_size, (batch_size, length), np.int32),
        "input_mask": np.ones((batch_size, length), np.int32),
        "segment_ids": np.tile(
            np.int32(np.arange(length) >= length // 2), (batch_size, 1)
        ),
        "masked_lm_positions": positions.astype(np.int32),
        "masked_lm_ids": rng.integers(
            0, config.vocab_size, (batch_size, masks), np.int32
        ),
        "masked_lm_weights": np.ones((batch_size, masks), np.float32),
        "next_sentence_labels": rng.integers(0, 2, (batch_size, 1), np.int32),
    }


def product_operations(config: AlbertConfig, batch: Batch) -> float:
    """Return the floating point operations of a step's matrix products.

    The last layer is computed for the masked positions and the first tokens alone, but
    for its keys and values.
    """
    examples, length = batch["input_ids"].shape
    width, inner = config.hidden_size, config.intermediate_size
    masks = batch["masked_lm_weights"].size
    keys_and_values = 2 * width**2
    others = 2 * width**2 + 2 * width * inner + 2 * length * width
    token = config.embedding_size * width + config.num_hidden_layers * keys_and_values
    token += (config.num_hidden_layers - 1) * others
    mask = width**2 + config.embedding_size * (width + config.vocab_size)
    products = examples * length * token + masks * mask + (masks + examples) * others
    # A product of [m, k] and [k, n] takes 2 m k n; its gradient takes twice as many.
    return 3 * 2.0 * products


def product_case(precision: str) -> Case:
    """Return the case of one large matrix product."""
    with tf.Graph().as_default():
        shape = [_PRODUCT, _PRODUCT]
        factors = [
            v1.get_variable(
                name, initializer=tf.cast(tf.random.normal(shape), precision)
            )
            for name in ("a", "b")
        ]
        product = tf.matmul(*factors).op
        session = v1.Session()
        session.run(v1.global_variables_initializer())
    return Case(
        f"matrix product, {precision}",
        lambda: [session.run(product) for _ in range(8)] and None,
        8 * 2e-9 * _PRODUCT**3,
        "GFLOP/s",
    )


def _train_config(batch_size: int, precision: str) -> TrainingConfig:
    return TrainingConfig("unused", 1e-3, 10_000, 10, batch_size, precision=precision)


def step_runner(
    config: AlbertConfig,
    batch: Batch,
    precision: str = "float32",
    length_buckets: bool = True,
) -> Callable[[Batch], None]:
    """Return what makes a training step on a batch of the shapes of `batch`."""
    examples, length = batch["input_ids"].shape
    masks = batch["masked_lm_ids"].shape[1]
    with tf.Graph().as_default():
        inputs = {
            name: v1.placeholder(value.dtype, value.shape)
            for name, value in batch.items()
        }
        task = PretrainingTask(config, length, masks, length_buckets=length_buckets)
        step = build_train_step(
            task,
            make_encoder_builder(config),
            inputs,
            _train_config(examples, precision),
        )
        session = v1.Session()
        session.run(
            [v1.global_variables_initializer(), v1.local_variables_initializer()]
        )

    def run(values: Batch) -> None:
        session.run(step.train_op, {inputs[name]: values[name] for name in inputs})

    return run


def replica_runner(
    config: AlbertConfig, batch: Batch, replicas: int
) -> Callable[[], None]:
    """Return what makes a step of `replicas` logical CPUs that share `batch`."""
    examples, length = batch["input_ids"].shape
    masks = batch["masked_lm_ids"].shape[1]
    task = PretrainingTask(config, length, masks)
    settings = _train_config(examples, "float32")
    devices = [f"/cpu:{index}" for index in range(replicas)]
    strategy = tf.distribute.MirroredStrategy(devices)

    def read(_) -> tf.data.Dataset:
        dataset = tf.data.Dataset.from_tensor_slices(dict(batch)).repeat()
        return dataset.batch(examples // replicas, drop_remainder=True)

    def build(features) -> tf.Operation:
        step = build_train_step(task, make_encoder_builder(config), features, settings)
        return step.train_op

    with tf.Graph().as_default(), strategy.scope():
        iterator = strategy.make_input_fn_iterator(read)
        operations = strategy.extended.call_for_each_replica(
            build, args=(iterator.get_next(),)
        )
        train_op = strategy.group(operations)
        session = v1.Session(
            config=v1.ConfigProto(
                device_count={"CPU": replicas}, allow_soft_placement=True
            )
        )
        session.run([iterator.initialize(), v1.global_variables_initializer()])
    return lambda: session.run(train_op)


def transformers_runner(
    config: AlbertConfig, batch: Batch
) -> Optional[Callable[[], None]]:
    """Return a step of transformers' AlbertForPreTraining, None without it."""
    try:
        import torch
        import transformers
    except ImportError:
        return None
    model = transformers.AlbertForPreTraining(
        transformers.AlbertConfig(
            vocab_size=config.vocab_size,
            embedding_size=config.embedding_size,
            hidden_size=config.hidden_size,
            num_hidden_layers=config.num_hidden_layers,
            num_attention_heads=config.num_attention_heads,
            intermediate_size=config.intermediate_size,
            max_position_embeddings=config.max_position_embeddings,
            hidden_act="gelu_new",
            classifier_dropout_prob=0.0,
        )
    )
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    labels = np.full(batch["input_ids"].shape, -100, np.int64)
    np.put_along_axis(labels, batch["masked_lm_positions"], batch["masked_lm_ids"], 1)
    inputs = {
        "input_ids": batch["input_ids"],
        "attention_mask": batch["input_mask"],
        "token_type_ids": batch["segment_ids"],
        "labels": labels,
        "sentence_order_label": batch["next_sentence_labels"][:, 0],
    }
    inputs = {name: torch.tensor(x, dtype=torch.long) for name, x in inputs.items()}

    def run() -> None:
        optimizer.zero_grad()
        model(**inputs).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return run


def epoch_in_buckets(path: str, batch_size: int) -> list[Batch]:
    """Return the batches of one epoch as training reads them, narrow to wide."""
    metadata = records.read_metadata(path)
    if metadata is None:
        raise UserError(f"--records: {path} has no metadata beside it")
    written = metadata["parameters"]
    spec = records.feature_spec(
        written["max_seq_length"], written["max_predictions_per_seq"]
    )
    count = sum(1 for _ in tf.data.TFRecordDataset(path))
    dataset = pretraining_input.read_shuffled(
        [path], spec, batch_size, 10_000, seed=1, length_buckets=True
    )
    batches = dataset.take(count // batch_size).as_numpy_iterator()
    return sorted(batches, key=lambda batch: batch["input_mask"].sum(axis=1).max())


def evenly_spaced(items: Sequence, count: int) -> list:
    """Return `count` items at equal distances, half a distance from the ends."""
    count = min(count, len(items))
    return [items[int((index + 0.5) * len(items) / count)] for index in range(count)]


def record_cases(config: AlbertConfig, path: str, batch_size: int) -> list[Case]:
    """Return steps on real records with and without buckets."""
    epoch = epoch_in_buckets(path, batch_size)
    sample = evenly_spaced(epoch, _SAMPLED_BATCHES)
    bucketed = step_runner(config, sample[0], length_buckets=True)
    padded = step_runner(config, sample[0], length_buckets=False)
    length = sample[0]["input_ids"].shape[1]
    tokens = np.mean([batch["input_mask"].sum(axis=1).mean() for batch in epoch])
    widths = [
        pretraining_input.trim({n: tf.constant(v) for n, v in batch.items()})[
            "input_ids"
        ].shape[1]
        for batch in epoch
    ]
    print(
        f"Records: {len(epoch) * batch_size}, {tokens:.0f} tokens of {length} on "
        f"average, {np.mean(widths):.0f} computed in buckets: padding "
        f"{1 - tokens / length:.1%} without, {1 - tokens / np.mean(widths):.1%} with"
    )
    few = evenly_spaced(sample, 2)  # padded, they all take the same time
    return [
        Case(
            f"length {length}, padded",
            lambda: [padded(batch) for batch in few] and None,
            len(few) * batch_size,
            "documents/s",
        ),
        Case(
            f"length {length}, buckets",
            lambda: [bucketed(batch) for batch in sample] and None,
            len(sample) * batch_size,
            "documents/s",
        ),
    ]


def synthetic_cases(
    config: AlbertConfig, batch: Batch, steps: int, replicas: Sequence[int]
) -> list[Case]:
    """Return steps on one synthetic batch, in all the ways to make them."""
    examples, length = batch["input_ids"].shape
    runners: dict[str, Callable[[], None]] = {}
    for precision in ("float32", "bfloat16"):
        run = step_runner(config, batch, precision)
        runners[f"length {length}, {precision}"] = lambda run=run: run(batch)
    yardstick = transformers_runner(config, batch)
    if yardstick is not None:
        runners[f"length {length}, transformers"] = yardstick
    for count in replicas:
        runner = replica_runner(config, batch, count)
        runners[f"length {length}, {count} replica(s)"] = runner

    def repeat(run: Callable[[], None]) -> Callable[[], None]:
        return lambda: [run() for _ in range(steps)] and None

    return [
        Case(name, repeat(run), steps * examples, "examples/s")
        for name, run in runners.items()
    ]

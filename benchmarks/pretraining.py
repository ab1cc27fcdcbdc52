"""Measure the speed of pretraining on this machine, in one run, so that ratios hold.

Example:
    python3 benchmarks/pretraining.py --records=cs_abstracts.512.tfrecord

Every case is measured in turn, round after round; the table gives the median of the
rounds. Cases: a large matrix product (what the machine can do), steps on synthetic
batches in two precisions, the same on several logical replicas, steps on real records
with and without length buckets, and Hugging Face transformers where it is installed
(pip install torch transformers).
"""

from __future__ import annotations

import os
import sys
import time
from typing import Sequence

import tensorflow as tf
from absl import flags

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))

from pretraining_cases import (  # noqa: E402
    Case,
    product_case,
    product_operations,
    record_cases,
    synthetic_batch,
    synthetic_cases,
)

from albert.base import cli  # noqa: E402
from albert.base.errors import UserError  # noqa: E402
from albert.modeling.encoder import load_encoder_config  # noqa: E402

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "bert_config_file", "albert_config/albert_config_tiny.json", "The model's config."
)
flags.DEFINE_string("records", None, "A TFRecord file of length 512 to measure on.")
flags.DEFINE_integer("batch_size", 32, "Examples of a step.")
flags.DEFINE_integer("rounds", 5, "Times that each case is measured.")
flags.DEFINE_integer("steps", 3, "Steps of a case in a round.")
flags.DEFINE_list("replicas", ["1", "2", "4"], "Numbers of logical replicas.")


def measure(cases: Sequence[Case], rounds: int) -> None:
    """Run every case once unmeasured, then in turn, `rounds` times."""
    for case in cases:
        case.run()
    for _ in range(rounds):
        for case in cases:
            start = time.perf_counter()
            case.run()
            case.seconds.append(time.perf_counter() - start)


def print_table(cases: Sequence[Case], operations: float, examples: int) -> None:
    """Print rates, and the ratios that the project holds itself to.

    Args:
        operations: of the matrix products of a synthetic step.
        examples: of that step.
    """
    rates = {case.name: case.rate for case in cases}
    print("| case | rate | unit |\n|---|---|---|")
    for case in cases:
        print(f"| {case.name} | {case.rate:.1f} | {case.unit} |")
    base = "length 128, float32"
    pairs = [
        (base, "length 128, transformers"),
        ("length 128, bfloat16", base),
        ("length 512, buckets", "length 512, padded"),
        *((name, "length 128, 1 replica(s)") for name in rates if "replica(" in name),
    ]
    print("\n| ratio | |\n|---|---|")
    for fast, slow in pairs:
        if fast in rates and slow in rates and fast != slow:
            print(f"| {fast} / {slow} | {rates[fast] / rates[slow]:.2f} |")
    for precision in ("float32", "bfloat16"):
        done = operations * 1e-9 * rates[f"length 128, {precision}"] / examples
        share = done / rates[f"matrix product, {precision}"]
        print(f"| {precision} step / matrix product, in GFLOP/s | {share:.2f} |")


def main(_) -> None:
    """Measure all cases and print the table."""
    if FLAGS.records and not os.path.isfile(FLAGS.records):
        raise UserError(f"--records: no such file: {FLAGS.records}")
    replicas = [int(count) for count in FLAGS.replicas]
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * max(replicas)
    )
    config = load_encoder_config(FLAGS.bert_config_file, "bert_config_file")
    batch = synthetic_batch(config, FLAGS.batch_size, 128, 20)
    cases = [product_case("float32"), product_case("bfloat16")]
    cases += synthetic_cases(config, batch, FLAGS.steps, replicas)
    if FLAGS.records:
        cases += record_cases(config, FLAGS.records, FLAGS.batch_size)
    measure(cases, FLAGS.rounds)
    print_table(cases, product_operations(config, batch), FLAGS.batch_size)


if __name__ == "__main__":
    cli.run_main(main)

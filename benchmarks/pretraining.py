"""Measure the speed of pretraining on this machine, in one run, so that ratios hold.

Example:
    python3 benchmarks/pretraining.py --records=cs_abstracts.512.tfrecord

Every case is measured in turn, round after round; the table gives the median of the
rounds. Cases: a large matrix product (what the machine can do), steps on synthetic
batches in two precisions, the same on several logical replicas, steps on real records
with and without length buckets, and Hugging Face transformers where it is installed
(pip install torch transformers). With --electra the steps are those of replaced token
detection instead. With --estimate nothing is trained: it prints what a run of the
config would compute, take and cost.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Sequence

import tensorflow as tf
from absl import flags

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))

import estimate  # noqa: E402
from electra_cases import electra_cases  # noqa: E402
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
flags.DEFINE_bool(
    "electra", False, "Measure replaced token detection, ELECTRA small, at length 128."
)
flags.DEFINE_bool(
    "estimate", False, "Print what a run costs, and train nothing; see docs/cost.md."
)
flags.DEFINE_bool("recipes", False, "With --estimate: a table of published runs.")
flags.DEFINE_integer("max_seq_length", 128, "With --estimate: tokens of an example.")
flags.DEFINE_float("masked_lm_prob", 0.15, "With --estimate: share of masked tokens.")
flags.DEFINE_integer("num_train_steps", 125_000, "With --estimate: steps of the run.")
flags.DEFINE_enum("optimizer", "lamb", ["lamb", "adamw"], "With --estimate.")
flags.DEFINE_float(
    "generator_hidden_size",
    0.25,
    "With --estimate: width of ELECTRA's generator, as a share of the discriminator's.",
)
flags.DEFINE_float(
    "share",
    0.73,
    "With --estimate: share of a device's rate that a step reaches; the default was "
    "measured here, on two cores.",
)
flags.DEFINE_integer("threads", 0, "Threads of each case; 0 for all cores.")
flags.DEFINE_bool(
    "cpu_time",
    False,
    "Measure the processor time of all threads, for a machine that other work shares: "
    "with --threads=1 it is what the time would be without that.",
)
flags.DEFINE_list("replicas", ["1", "2", "4"], "Numbers of logical replicas.")


def measure(cases: Sequence[Case], rounds: int, cpu_time: bool = False) -> None:
    """Run every case once unmeasured, then in turn, `rounds` times."""
    clock = time.process_time if cpu_time else time.perf_counter
    for case in cases:
        case.run()
    for _ in range(rounds):
        for case in cases:
            start = clock()
            case.run()
            case.seconds.append(clock() - start)


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
        ("ELECTRA", "ELECTRA, transformers' modules"),
        (base, "length 128, transformers"),
        ("length 128, bfloat16", base),
        ("length 512, buckets", "length 512, padded"),
        *((name, "length 128, 1 replica(s)") for name in rates if "replica(" in name),
    ]
    print("\n| ratio | |\n|---|---|")
    for fast, slow in pairs:
        if fast in rates and slow in rates and fast != slow:
            print(f"| {fast} / {slow} | {rates[fast] / rates[slow]:.2f} |")
    for name in ("length 128, float32", "length 128, bfloat16", "ELECTRA"):
        precision = "bfloat16" if name.endswith("bfloat16") else "float32"
        if name in rates:
            done = operations * 1e-9 * rates[name] / examples
            share = done / rates[f"matrix product, {precision}"]
            print(f"| {name}: step / matrix product, in GFLOP/s | {share:.2f} |")


def print_estimate() -> None:
    """Print what to expect of the run that the flags describe."""
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir)
    if FLAGS.recipes:
        tiny, base = (
            load_encoder_config(f"{folder}/albert_config/albert_config_{name}.json")
            for name in ("tiny", "base")
        )
        runs = estimate.list_recipes(tiny, base)
        print("\n".join(estimate.format_recipes(runs, FLAGS.share)))
        return
    config = load_encoder_config(FLAGS.bert_config_file, "bert_config_file")
    run = estimate.make_run(
        *(config, FLAGS.generator_hidden_size, FLAGS.batch_size),
        FLAGS.max_seq_length,
        max(1, int(FLAGS.max_seq_length * FLAGS.masked_lm_prob)),
        *(FLAGS.num_train_steps, FLAGS.optimizer),
    )
    case = product_case("float32")
    measure([case], rounds=2)
    rate = 1e9 * case.rate
    print("\n".join(estimate.describe_run(run, rate, FLAGS.share)))


def measure_electra() -> None:
    """Measure replaced token detection beside transformers and the machine."""
    config = estimate.make_electra(estimate.SMALL, estimate.CHINESE)
    run = estimate.make_run(config, 0.25, FLAGS.batch_size, 128, 19, 1)
    cases = [product_case("float32"), *electra_cases(run, FLAGS.steps)]
    measure(cases, FLAGS.rounds, FLAGS.cpu_time)
    cost = run.cost
    print_table(cases, cost.forward + cost.backward, FLAGS.batch_size)


def main(_) -> None:
    """Measure all cases and print the table."""
    if FLAGS.estimate:
        print_estimate()
        return
    if FLAGS.threads:  # read by PyTorch, which is not imported yet
        os.environ["OMP_NUM_THREADS"] = str(FLAGS.threads)
    tf.config.threading.set_intra_op_parallelism_threads(FLAGS.threads)
    tf.config.threading.set_inter_op_parallelism_threads(FLAGS.threads)
    if FLAGS.electra:
        measure_electra()
        return
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
    measure(cases, FLAGS.rounds, FLAGS.cpu_time)
    print_table(cases, product_operations(config, batch), FLAGS.batch_size)


if __name__ == "__main__":
    cli.run_main(main)

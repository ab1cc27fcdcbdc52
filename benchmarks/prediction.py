"""Measure how fast named entities are found, beside Hugging Face's pipeline.

Example:
    python3 benchmarks/prediction.py

Both label the same texts with models of the same size, whose variables are random, in
turn, round after round; the table gives the median of the rounds in characters a
second, with one thread a second of processor time, which other work on the machine
hardly touches. Needs the extra `benchmark` (torch, transformers).
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from typing import Callable, Sequence

import numpy as np
import tensorflow as tf
from absl import flags

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))

from pretraining_cases import Case  # noqa: E402

from albert.base import cli, files  # noqa: E402
from albert.base.optional import extra  # noqa: E402
from albert.checkpoints import guard, restoring, storage  # noqa: E402
from albert.modeling.encoder import (  # noqa: E402
    load_encoder_config,
    make_encoder_builder,
)
from albert.serving import Predictor  # noqa: E402
from albert.serving.prediction_config import BFLOAT16, FLOAT32  # noqa: E402
from albert.tasks.model_folder import save_labels  # noqa: E402
from albert.tasks.ner.config import NerConfig  # noqa: E402
from albert.tasks.ner.conll import read_conll  # noqa: E402
from albert.tasks.ner.tag_schemes import LabelSet, find_scheme  # noqa: E402
from albert.tasks.ner.task import NerTask  # noqa: E402
from albert.text.tokenization import Tokenizer  # noqa: E402
from albert.text.vocabulary import identify, load_vocabulary  # noqa: E402
from albert.training.task import PREDICT  # noqa: E402

v1 = tf.compat.v1
FLAGS = flags.FLAGS

flags.DEFINE_string(
    "bert_config_file", "albert_config/albert_config_tiny.json", "The model's config."
)
flags.DEFINE_string("vocab_file", "albert_config/vocab.txt", "Its vocabulary.")
flags.DEFINE_string(
    "input_file", "examples/ner/*.conll", "CoNLL files; each sentence is a text."
)
flags.DEFINE_integer("texts", 2000, "Texts of a round; the input's, over and over.")
flags.DEFINE_integer("batch_size", 64, "Sentences at once.")
flags.DEFINE_integer("threads", None, "Of each side; all cores where not given.")
flags.DEFINE_integer("rounds", 5, "Times that each case is measured.")

LABELS = LabelSet(find_scheme("BIO"), ("Evaluation", "Material", "Method", "Task"))


def write_model(folder: str) -> None:
    """Write a model of random variables, as training leaves one, to a folder."""
    encoder = load_encoder_config(FLAGS.bert_config_file, "bert_config_file")
    vocabulary = load_vocabulary(FLAGS.vocab_file)
    tokenizer = Tokenizer(vocabulary, do_lower_case=False)
    task = NerTask(NerConfig(do_lower_case=False), LABELS, tokenizer, encoder)
    guard.prepare(folder, encoder, identify(vocabulary), FLAGS.vocab_file)
    save_labels(folder, task)
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(1)
        features = {
            name: v1.placeholder(spec.dtype, spec.shape)
            for name, spec in task.features(PREDICT).items()
        }
        task.build(features, PREDICT, make_encoder_builder(encoder))
        session.run(v1.global_variables_initializer())
        values = {v.op.name: session.run(v) for v in restoring.model_variables()}
    values[storage.GLOBAL_STEP] = np.int64(0)
    storage.write_variables(os.path.join(folder, "model.ckpt-0"), values)
    storage.write_state(folder, "model.ckpt-0")


def make_pipeline(
    batch_size: int, precision: str = FLOAT32
) -> Callable[[Sequence[str]], object]:
    """Return Hugging Face's pipeline over a model of the same size."""
    with extra("benchmark"):
        import torch
        import transformers
    if FLAGS.threads:
        torch.set_num_threads(FLAGS.threads)
    sizes = load_encoder_config(FLAGS.bert_config_file, "bert_config_file").to_dict()
    names = (
        *("vocab_size", "embedding_size", "hidden_size", "num_hidden_layers"),
        *("num_attention_heads", "intermediate_size", "max_position_embeddings"),
    )
    config = transformers.AlbertConfig(
        **{name: sizes[name] for name in names}, num_labels=len(LABELS.labels)
    )
    config.id2label = dict(enumerate(LABELS.labels))
    tokenizer = transformers.BertTokenizerFast(
        FLAGS.vocab_file, do_lower_case=False, model_max_length=128
    )
    return transformers.pipeline(
        "token-classification",
        model=transformers.AlbertForTokenClassification(config)
        .to(getattr(torch, precision))
        .eval(),
        tokenizer=tokenizer,
        aggregation_strategy="simple",
        batch_size=batch_size,
        device="cpu",
    )


def read_texts() -> list[str]:
    """Return the texts of a round."""
    paths = files.expand_globs(FLAGS.input_file, "input_file")
    found = [
        "".join(sentence.columns)[:126]  # the pipeline does not do with more
        for path in paths
        for sentence in read_conll(path, need_tags=False).sentences
    ]
    return [found[i % len(found)] for i in range(FLAGS.texts)]


def main(_) -> None:
    """Measure all cases and print the table."""
    if FLAGS.threads:
        tf.config.threading.set_intra_op_parallelism_threads(FLAGS.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    texts = read_texts()
    with tempfile.TemporaryDirectory() as folder:
        write_model(folder)
        predictors = [
            Predictor(folder, FLAGS.batch_size, precision=precision)
            for precision in (FLOAT32, BFLOAT16)
        ]
    single, batched = make_pipeline(1), make_pipeline(FLAGS.batch_size)
    coarse = make_pipeline(FLAGS.batch_size, BFLOAT16)
    runs = {
        "Predictor": lambda: predictors[0].predict(texts),
        "Predictor, bfloat16": lambda: predictors[1].predict(texts),
        "Hugging Face pipeline, as it comes": lambda: single(texts),
        f"Hugging Face pipeline, batches of {FLAGS.batch_size}": lambda: batched(texts),
        "the same, bfloat16": lambda: coarse(texts),
    }
    clock = time.process_time if FLAGS.threads == 1 else time.perf_counter
    units = sum(map(len, texts))
    cases = [Case(name, run, units, "characters/s") for name, run in runs.items()]
    for number in range(FLAGS.rounds + 1):
        for case in cases:
            start = clock()
            case.run()
            if number:  # the first round warms up
                case.seconds.append(clock() - start)
    print(f"{len(texts):,} texts, {units:,} characters")
    print("| case | characters/s | Predictor's multiple |\n|---|---|---|")
    for case in cases:
        print(f"| {case.name} | {case.rate:,.0f} | {cases[0].rate / case.rate:.2f} |")


if __name__ == "__main__":
    cli.run_main(main)

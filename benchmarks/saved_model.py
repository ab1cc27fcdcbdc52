"""Measure an exported model in its forms: size, latency, scores; and its tokens.

Example:
    python3 export_saved_model.py --model_dir=example_output/ner \
      --output_dir=example_output/graph --tflite=float32,int8
    python3 benchmarks/saved_model.py --model_dir=example_output/ner \
      --export_dir=example_output/graph
    python3 benchmarks/saved_model.py --model_dir=example_output/ner --corpus='*.txt'

One sentence at a time, one thread, in turn, round after round; the table gives medians.
With --corpus the columns that the graph makes of each line, with places and token ids,
are compared with those of the program.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Callable, NamedTuple, Sequence

import numpy as np
import tensorflow as tf
from absl import flags

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))

from albert.base import cli, files  # noqa: E402
from albert.serving.graph_text import ColumnReader  # noqa: E402
from albert.serving.predictor import find_task  # noqa: E402
from albert.tasks.model_folder import open_trained  # noqa: E402
from albert.tasks.ner.conll import Sentence, read_conll  # noqa: E402
from albert.tasks.ner.entities import score_strict  # noqa: E402
from albert.tasks.ner.examples import ColumnIds  # noqa: E402
from albert.tasks.ner.task import NerTask  # noqa: E402
from albert.tasks.ner.text import CHARACTERS, WORDS, split_text  # noqa: E402
from albert.text.vocabulary import CLS, SEP  # noqa: E402

v1 = tf.compat.v1
FLAGS = flags.FLAGS

flags.DEFINE_string("model_dir", None, "The trained model.", required=True)
flags.DEFINE_string("export_dir", None, "What export_saved_model.py made of it.")
flags.DEFINE_string("input_file", "examples/ner/test.conll", "CoNLL with labels.")
flags.DEFINE_integer("rounds", 5, "Times that each sentence is measured.")
flags.DEFINE_string("corpus", None, "Files of text: compare the tokens of their lines.")
flags.DEFINE_integer("every", 10, "Of the corpus' lines one in so many.")


class Answer(NamedTuple):
    """What a form of the model says of a sentence; its columns alone."""

    label_ids: np.ndarray
    scores: np.ndarray


Form = Callable[[np.ndarray], Answer]


def open_graph(folder: str) -> Form:
    """Return the SavedModel's signature over ids."""
    model = tf.saved_model.load(folder)
    function = model.signatures["ids"]

    def ask(ids: np.ndarray, _model=model) -> Answer:
        output = function(
            input_ids=tf.constant(ids),
            input_mask=tf.ones_like(ids),
            segment_ids=tf.zeros_like(ids),
        )
        found = (output[name].numpy()[0, 1:-1] for name in Answer._fields)
        return Answer(*found)

    return ask


def open_tflite(path: str) -> Form:
    """Return a TensorFlow Lite model's signature over ids."""
    interpreter = tf.lite.Interpreter(path, num_threads=1)
    runner = interpreter.get_signature_runner("ids")

    def ask(ids: np.ndarray) -> Answer:
        output = runner(
            input_ids=ids, input_mask=np.ones_like(ids), segment_ids=np.zeros_like(ids)
        )
        return Answer(*(output[name][0, 1:-1].copy() for name in Answer._fields))

    return ask


def read_sentences(task: NerTask) -> tuple[list[Sentence], list[np.ndarray]]:
    """Return the sentences that one window holds, and their token ids, [1, T]."""
    capacity = task.settings.max_seq_length - 2
    every = read_conll(FLAGS.input_file).sentences
    kept = [s for s in every if len(s.columns) <= capacity]
    print(f"{len(kept)} sentences, {len(every) - len(kept)} longer than a window")
    column_ids, ids = ColumnIds(task.tokenizer), task.tokenizer.vocabulary.ids
    rows = [[ids[CLS], *(column_ids[c] for c in s.columns), ids[SEP]] for s in kept]
    return kept, [np.array([row], np.int32) for row in rows]


def size_of(*paths: str) -> int:
    """Return the bytes of files and folders."""
    return sum(
        os.path.getsize(os.path.join(folder, name))
        for path in paths
        if os.path.isdir(path)
        for folder, _, names in os.walk(path)
        for name in names
    ) + sum(os.path.getsize(path) for path in paths if os.path.isfile(path))


def compare_forms(task: NerTask) -> None:
    """Print the table of the forms."""
    folder = FLAGS.export_dir
    graph = [os.path.join(folder, name) for name in ("saved_model.pb", "variables")]
    forms: dict[str, tuple[Form, int]] = {
        "SavedModel": (open_graph(folder), size_of(*graph))
    }
    for kind in ("float32", "int8"):
        path = os.path.join(folder, f"model_{kind}.tflite")
        if os.path.exists(path):
            forms[f"TensorFlow Lite, {kind}"] = (open_tflite(path), size_of(path))
    sentences, ids = read_sentences(task)
    answers = {name: [form(row) for row in ids] for name, (form, _) in forms.items()}
    seconds: dict[str, list[list[float]]] = {name: [] for name in forms}
    for _ in range(FLAGS.rounds):
        for name, (form, _) in forms.items():
            taken = []
            for row in ids:
                start = time.perf_counter()
                form(row)
                taken.append(time.perf_counter() - start)
            seconds[name].append(taken)
    print("| form | size | ms a sentence | F1 | largest difference of a score |")
    print("|---|---|---|---|---|")
    for name, (_, size) in forms.items():
        difference = max(
            float(np.abs(a.scores - b.scores).max())
            for a, b in zip(answers[name], answers["SavedModel"])
        )
        latency = 1000 * np.median(np.min(seconds[name], axis=0))
        print(
            f"| {name} | {size / 1e6:.2f} MB | {latency:.2f} "
            f"| {100 * score(task, sentences, answers[name]):.2f} | {difference:.1e} |"
        )


def score(
    task: NerTask, sentences: Sequence[Sentence], answers: Sequence[Answer]
) -> float:
    """Return the strict F1 of entities."""
    labels = task.labels.labels
    found = [[labels[i] for i in answer.label_ids] for answer in answers]
    gold = [list(sentence.tags) for sentence in sentences]
    return score_strict(gold, found, task.labels.scheme).total.f1


def columns_of(text: str, latin_columns: str, ids: ColumnIds) -> list[tuple[int, ...]]:
    """Return sentence, start, end and token id of each column of a text."""
    return [
        (number, start, end, ids[column])
        for number, sentence in enumerate(split_text(text, latin_columns))
        for column, start, end in zip(*sentence)
    ]


def compare_tokens(task: NerTask) -> None:
    """Print of how many lines of a corpus the graph makes the program's tokens."""
    print(
        "| corpus | lines | equal, characters | equal, Latin words |\n|---|---|---|---|"
    )
    for path in files.expand_globs(FLAGS.corpus, "corpus"):
        lines = list(files.read_lines(path))[:: FLAGS.every]
        equal = [count_equal(task, lines, kind) for kind in (CHARACTERS, WORDS)]
        name = os.path.basename(path)
        print(f"| {name} | {len(lines):,} | {equal[0]:,} | {equal[1]:,} |", flush=True)


def count_equal(task: NerTask, lines: Sequence[str], latin_columns: str) -> int:
    """Return of how many lines the graph makes the program's columns."""
    ids, equal = ColumnIds(task.tokenizer), 0
    with tf.Graph().as_default(), v1.Session() as session:
        texts = v1.placeholder(tf.string, [None])
        columns = ColumnReader(task.tokenizer, latin_columns).read(texts)
        session.run(v1.tables_initializer())
        for first in range(0, len(lines), 1000):
            part = lines[first : first + 1000]
            found = session.run(columns, {texts: part})
            rows: list[list[tuple[int, ...]]] = [[] for _ in part]
            opening: dict[int, int] = {}  # each text's first sentence
            for row, sentence, *place, number in zip(
                found.text, found.sentence, found.starts, found.ends, found.ids
            ):
                own = sentence - opening.setdefault(row, sentence)
                rows[row].append((own, *place, number))
            for line, row in zip(part, rows):
                equal += row == columns_of(line, latin_columns, ids)
    return equal


def main(_) -> None:
    """Print the tables asked for."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    task = open_trained(find_task(FLAGS.model_dir).task_class, FLAGS.model_dir)
    if FLAGS.export_dir:
        compare_forms(task)
    if FLAGS.corpus:
        compare_tokens(task)


if __name__ == "__main__":
    cli.run_main(main)

"""Train and score a linear CRF over character n-grams: the baseline without a network.

python3 -m experiments.ngram_crf --data_dir=examples/ner --output_dir=crf

Lafferty et al., "Conditional Random Fields" (2001), by CRFsuite (Okazaki, 2007). It has
the same files of results as run_ner.py; the only file that imports python-crfsuite.
"""

from __future__ import annotations

import os
from typing import Iterator, Sequence

from absl import logging

from albert.base import cli, files
from albert.base.optional import extra
from albert.evaluation.evaluator import write_results
from albert.modeling.ngrams import TEMPLATES
from albert.tasks.ner.conll import Sentence, read_conll
from albert.tasks.ner.output import make_report, write_predictions
from albert.tasks.ner.tag_schemes import detect_scheme
from experiments.crf_config import CrfConfig
from experiments.data_sets import find_files

_EDGE = "\n"  # beyond a sentence's ends; no column holds it


def ngram_features(columns: Sequence[str]) -> Iterator[list[str]]:
    """Yield the n-grams around each column, each named by its place.

    Example: of the columns 神 经, the first has `0=神`, `1=经`, `0_1=神经` and, of what
    lies beyond the ends, `-1=` and a line feed.
    """
    reach = max(abs(offset) for template in TEMPLATES for offset in template)
    edge = [_EDGE] * reach
    padded = [*edge, *(column.lower() for column in columns), *edge]
    names = ["_".join(map(str, template)) for template in TEMPLATES]
    for index in range(reach, reach + len(columns)):
        yield [
            f"{name}={''.join(padded[index + offset] for offset in template)}"
            for name, template in zip(names, TEMPLATES)
        ]


def train(sentences: Sequence[Sentence], config: CrfConfig, path: str) -> None:
    """Train on labelled sentences and write the model to `path`."""
    with extra("crf"):
        import pycrfsuite
    trainer = pycrfsuite.Trainer(
        algorithm="lbfgs",
        params={
            "c1": config.l1,
            "c2": config.l2,
            "max_iterations": config.max_iterations,
        },
        verbose=False,
    )
    for sentence in sentences:
        trainer.append(list(ngram_features(sentence.columns)), sentence.tags)
    with files.atomic_path(path) as temporary:
        trainer.train(temporary)


def predict(sentences: Sequence[Sentence], path: str) -> list[list[str]]:
    """Return the tags that the model in `path` gives each sentence."""
    with extra("crf"):
        import pycrfsuite
    tagger = pycrfsuite.Tagger()
    tagger.open(path)
    return [tagger.tag(list(ngram_features(s.columns))) for s in sentences]


def run(config: CrfConfig) -> None:
    """Train on the train file; score and label the test file."""
    paths = find_files(config.data_dir)
    training, test = read_conll(paths["train"]), read_conll(paths["test"])
    os.makedirs(config.output_dir, exist_ok=True)
    model = os.path.join(config.output_dir, "model.crfsuite")
    train(training.sentences, config, model)
    predicted = predict(test.sentences, model)
    gold = [sentence.tags for sentence in test.sentences]
    scheme = detect_scheme(
        t for s in (*training.sentences, *test.sentences) for t in s.tags
    )
    report = make_report(gold, predicted, float("nan"), scheme)
    write_predictions(
        os.path.join(config.output_dir, "predictions_test"), test, predicted, scheme
    )
    results = report.metrics()
    del results["loss"]
    write_results(os.path.join(config.output_dir, "eval_results.txt"), results)
    logging.info("%s\n%s", paths["test"], report.table())


def main(words: list[str]) -> None:
    """Read the flags and run."""
    run(cli.read_flags(CrfConfig, words))


if __name__ == "__main__":
    cli.define_flags(CrfConfig)
    cli.run_main(main)

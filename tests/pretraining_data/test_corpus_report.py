"""The report on a corpus."""

from __future__ import annotations

import contextlib
import gzip
import os
import subprocess
import sys
from collections import Counter

import pytest

from albert.pretraining_data import corpus_report
from albert.pretraining_data.config import PretrainingDataConfig
from albert.text.vocabulary import SPECIAL_TOKENS

LONG = "一二三四五六七八九十" * 10 + "。"


def count(tmp_path, text):
    (tmp_path / "in.txt").write_text(text, encoding="utf-8")
    tokens = [*SPECIAL_TOKENS, *"一二三四五六七八九十。"]
    (tmp_path / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    paths = (str(tmp_path / name) for name in ("in.txt", "out", "vocab.txt"))
    source, output, vocabulary = paths
    config = PretrainingDataConfig((source,), (output,), vocabulary)
    counts = corpus_report.count_corpus(config)
    assert not os.path.exists(output)
    return counts


def test_quantiles():
    lengths = Counter({1: 50, 2: 40, 7: 9, 30: 1})
    assert corpus_report.find_quantiles(lengths) == [1, 2, 7, 30]
    assert corpus_report.find_quantiles({5: 3}) == [5, 5, 5, 5]


def test_what_is_counted(tmp_path):
    counts = count(tmp_path, "一二\n三\n\n四x五\n六七\n\n一二\n三\n")
    assert (counts.text.documents, counts.text.sentences) == (3, 6)
    assert counts.sentence_lengths == {1: 2, 2: 3, 3: 1}
    assert counts.document_lengths == {3: 2, 5: 1}
    assert (counts.duplicates, counts.paragraphs) == (1, 0)
    lines = "\n".join(corpus_report.describe_corpus(counts))
    assert "3 documents, 6 sentences, 11 tokens" in lines
    assert "9.091% of the tokens are [UNK]: x 1" in lines
    assert "1 duplicate documents" in lines


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "there is no text"),
        ("一\n二\n三\n", "no blank line stands between documents"),
        (f"{LONG * 3}\n一\n\n二\n三\n", "1 lines look like paragraphs"),
        ("一\n\n二\n\n三\n四\n", "2 documents have one sentence only"),
        ("一\n二\n\n一\n二\n", "1 documents stand there before"),
        ("xyz\n一\n\n甲\n二\n", "more than a tenth of the tokens are"),
    ],
)
def test_what_looks_wrong(tmp_path, text, problem):
    problems = corpus_report.find_problems(count(tmp_path, text))
    assert len([line for line in problems if problem in line]) == 1


def test_nothing_is_wrong_with_good_text(tmp_path):
    counts = count(tmp_path, "一二\n三四\n\n五六\n七八\n")
    assert corpus_report.find_problems(counts) == []


def test_sentences_too_long_for_an_instance_are_counted(tmp_path):
    """128 tokens less [CLS] and two [SEP]: 125 fit, 126 do not."""
    counts = count(tmp_path, f"{'一' * 125}\n{'一' * 126}\n{'一' * 300}\n")
    lines = corpus_report.describe_corpus(counts)
    assert "2 sentences are longer than an instance and would be truncated" in lines


@pytest.mark.slow
@pytest.mark.parametrize("text_field", [None, "text"])
def test_progress_on_gzip_ends_at_the_size_of_the_files(
    tmp_path, monkeypatch, text_field
):
    line = '{"text": "一二。"}' if text_field else "一二。"
    for name in ("a.gz", "b.gz"):
        with gzip.open(tmp_path / name, "wt", encoding="utf-8") as file:
            file.write(f"{line}\n" * 50_000)
    seen = []

    @contextlib.contextmanager
    def show(title, total, unit):
        seen.append(total)
        yield seen.append

    monkeypatch.setattr(corpus_report, "show_progress", show)
    (tmp_path / "vocab.txt").write_text("\n".join(SPECIAL_TOKENS) + "\n")
    inputs = tuple(str(tmp_path / name) for name in ("a.gz", "b.gz"))
    vocabulary = str(tmp_path / "vocab.txt")
    config = PretrainingDataConfig(inputs, (), vocabulary, text_field=text_field)
    corpus_report.count_corpus(config)
    total, *steps = seen
    assert total == sum(map(os.path.getsize, inputs))
    assert 0.9 * total < sum(steps) <= total


@pytest.mark.slow
def test_check_only_reports_and_writes_nothing(repo, testdata, tmp_path):
    own = testdata / "pretraining_data"
    done = subprocess.run(
        [
            *(sys.executable, str(repo / "create_pretraining_data.py")),
            f"--input_file={own / 'abstracts.txt'}",
            f"--vocab_file={own / 'vocab.txt'}",
            "--check_only",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(repo)},
    )
    assert done.returncode == 0, done.stderr
    assert "12 documents" in done.stdout
    assert os.listdir(tmp_path) == []

"""Words that a user adds to the segmenter's dictionary."""

from __future__ import annotations

import pytest

from albert.base.errors import UserError
from albert.pretraining_data.config import ExecutionConfig, PretrainingDataConfig
from albert.pretraining_data.execution import runner
from albert.text import word_segmentation
from albert.text.user_dictionary import UserWord, parse_line, read_user_dictionary
from albert.text.word_segmentation import has_chinese, load_segmenter
from tests.pretraining_cases import read_records

SEGMENTERS = ["jieba", "rjieba"]


def load(segmenter, words=()):
    if segmenter == "rjieba":
        pytest.importorskip("rjieba")
    return load_segmenter(segmenter, words)


@pytest.mark.parametrize(
    ("line", "term"),
    [
        ("云计算 5 n", ("云计算", 5)),
        ("云计算 5", ("云计算", 5)),
        ("云计算 nz", ("云计算", None)),
        ("云计算", ("云计算", None)),
        ("deep learning", ("deep learning", None)),
        ("Windows 95", ("Windows 95", None)),
        ("C 语言 3 n", ("C 语言", 3)),
        ("deep learning 4 n", ("deep learning", 4)),
        ("", ("", None)),
    ],
)
def test_lines_are_terms_or_entries_of_a_dictionary(line, term):
    assert parse_line(line) == term


def test_words_are_as_the_segmenter_sees_them(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("云计算 5 n\n\nDeep Learning\nBERT模型\n图\n云计算\n", "utf-8")
    assert read_user_dictionary(str(path), do_lower_case=True) == [
        UserWord("云计算", None),
        UserWord("deeplearning", None),
        UserWord("bert模型", None),
    ]
    cased = read_user_dictionary(str(path), do_lower_case=False)
    assert UserWord("BERT模型") in cased


@pytest.mark.parametrize(
    ("text", "message"), [("", "holds no word"), ("长" * 101, "line 1 has 101 char")]
)
def test_a_file_that_is_no_dictionary_is_refused(tmp_path, text, message):
    path = tmp_path / "words.txt"
    path.write_text(text, "utf-8")
    with pytest.raises(UserError, match=message):
        read_user_dictionary(str(path), True)


@pytest.mark.slow
@pytest.mark.parametrize("segmenter", SEGMENTERS)
@pytest.mark.parametrize("frequency", [None, 1000])
def test_an_added_word_is_cut_as_one(segmenter, frequency):
    before = load(segmenter)("卷积神经网络很好")
    assert before[:2] == ["卷积", "神经网络"]
    cut = load(segmenter, [UserWord("卷积神经网络", frequency)])
    assert cut("卷积神经网络很好")[0] == "卷积神经网络"
    assert load(segmenter)("卷积神经网络很好") == before  # no other one has it


def count_masked(path, term):
    """How many tokens of each `term` are masked, over all records of a file."""
    for record in read_records(path):
        shown = int(sum(record["masked_lm_weights"]))
        masked = set(record["masked_lm_positions"][:shown])
        # [CLS] term很好。 [SEP] 我们用term。 [SEP], or swapped.
        length = len(term)
        starts = (1, length + 8)
        if record["next_sentence_labels"] == [1]:
            starts = (4, length + 6)
        for start in starts:
            yield len(masked & set(range(start, start + length)))


def mask_term(testdata, tmp_path, words, term, segmenter, num_workers):
    """Make records of sentences with `term`; yield how many of it are masked."""
    load(segmenter)
    text = tmp_path / "text.txt"
    text.write_text(f"{term}很好。\n我们用{term}。\n\n" * 3, encoding="utf-8")
    config = PretrainingDataConfig(
        (str(text),),
        (str(tmp_path / "out"),),
        str(testdata / "pretraining_data" / "vocab.txt"),
        do_whole_word_mask=True,
        whole_word_spans="exact",
        segmenter=segmenter,
        jieba_user_dict=words and str(words),
        max_seq_length=32,
        masked_lm_prob=0.3,
        dupe_factor=20,
        num_shards=num_workers,
    )
    report = runner.create_pretraining_data(config, ExecutionConfig(num_workers))
    for path in report.output_files:
        yield from count_masked(path, term)


@pytest.mark.slow
@pytest.mark.parametrize("num_workers", [1, 2])
@pytest.mark.parametrize("segmenter", SEGMENTERS)
def test_a_term_is_masked_as_one_word(testdata, tmp_path, segmenter, num_workers):
    words = tmp_path / "words.txt"
    words.write_text("注意力机制\n卷积神经网络\n", encoding="utf-8")
    arguments = ("卷积神经网络", segmenter, num_workers)
    assert set(mask_term(testdata, tmp_path, words, *arguments)) == {0, 6}
    assert {2, 4} <= set(mask_term(testdata, tmp_path, None, *arguments))


@pytest.mark.slow
@pytest.mark.parametrize("segmenter", SEGMENTERS)
def test_a_term_of_the_lexicon_is_masked_as_one_word(
    shared, testdata, tmp_path, segmenter
):
    words = shared / "data/lexicon/computing_terms.txt"
    term = "无线传感器网络"
    assert f"\n{term}\n" in words.read_text("utf-8")
    arguments = (testdata, tmp_path, words, term, segmenter, 1)
    assert set(mask_term(*arguments)) == {0, 7}


def test_both_segmenters_cut_nearly_alike_with_the_terms(shared):
    """The frequencies that they give to new words differ a little."""
    words = read_user_dictionary(
        str(shared / "data/lexicon/computing_terms.txt"), do_lower_case=True
    )
    cuts = [load("jieba", words), load("rjieba", words)]
    text = (shared / "data/corpus/cs_abstracts.txt").read_text("utf-8").lower()
    lines = text.split("\n")[:1000]
    different = 0
    for line in lines:
        first, second = ([w for w in cut(line) if has_chinese(w)] for cut in cuts)
        different += first != second
    assert different <= len(lines) // 100


def test_a_segmenter_too_old_for_words_says_so(monkeypatch):
    rjieba = pytest.importorskip("rjieba")

    class Old:
        def cut(self, text):
            return [text]

    monkeypatch.setattr(rjieba, "Jieba", Old)
    load_old = word_segmentation._LOADERS["rjieba"]
    monkeypatch.setattr(word_segmentation, "_load_as_it_comes", lambda _: load_old(()))
    assert load_segmenter("rjieba")("甲") == ["甲"]
    with pytest.raises(UserError, match="pip install --upgrade rjieba"):
        load_segmenter("rjieba", [UserWord("甲乙")])

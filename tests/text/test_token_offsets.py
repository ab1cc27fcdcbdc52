"""Where each token stands in the text that was given."""

from __future__ import annotations

import pathlib
import random
import unicodedata

import pytest

from albert.text.tokenization import Tokenizer
from albert.text.vocabulary import SPECIAL_TOKENS, UNK, Vocabulary, load_vocabulary

CORPORA = pathlib.Path(__file__).parents[2] / ".." / "shared/data"
# What makes lengths change or text vanish, beside letters and ideographs.
ODD = (
    "aZ9\u00e9\u00c9\u0130\u0131\u00df\u03a3\u03c3\u01c5\ufb01\u1e9e\u2126"  # cases
    "\u0301\u0323\ufe0f\u302a\u302e\u302f\u0345\u1dfa"  # marks
    "\ud55c\uae00\u1112\u0958\u1f82\u0344"  # more than one character in NFD
    "\u4e2d\u6587\uf900\U00020000\u3007\u30d1\u304c"  # ideographs and kana
    " \t\u00a0\u3000\u2003\u2028\x0c\x85\u200b"  # white space, and what is taken for it
    "\0\ufffd\x01\u00ad\u200d\ufeff"  # dropped
    "-.$^`\u3002\uff0c\u201c\u2014\u037e\u1fef"  # punctuation
)
TONE_MARKS = set("\u302e\u302f")


def make_tokenizer(*pieces, do_lower_case=True):
    return Tokenizer(Vocabulary([*SPECIAL_TOKENS, *pieces]), do_lower_case)


def locate(tokenizer, text):
    return [
        (t.text, text[t.start : t.end]) for t in tokenizer.tokenize_with_offsets(text)
    ]


@pytest.mark.parametrize(
    ("text", "pieces", "expected"),
    [
        ("", [], []),
        ("\u7528BERT\u505a", ["\u7528", "bert", "\u505a"], [(0, 1), (1, 5), (5, 6)]),
        ("  soft\u3000max", ["soft", "max"], [(2, 6), (7, 10)]),
        ("Softmax-1", ["soft", "##max", "-", "1"], [(0, 4), (4, 7), (7, 8), (8, 9)]),
        ("Caf\u00e9s", ["caf", "##es"], [(0, 3), (3, 5)]),
        ("Cafe\u0301s", ["caf", "##e", "##s"], [(0, 3), (3, 5), (5, 6)]),
        ("\u0130stanbul x", ["i", "##stanbul", "x"], [(0, 1), (1, 8), (9, 10)]),
        ("\u0130\u0130", ["i", "##i"], [(0, 1), (1, 2)]),
        ("a\0b\u200dc", ["ab", "##c"], [(0, 3), (4, 5)]),
        ("\u4e2d\0\u6587\u0301.", ["\u4e2d", "\u6587", "."], [(0, 1), (2, 3), (4, 5)]),
        ("\ud55c", ["\u1112\u1161", "##\u11ab"], [(0, 1), (0, 1)]),
        ("\u039f\u03a3", ["\u03bf", "##\u03c2"], [(0, 1), (1, 2)]),
    ],
)
def test_spans_by_hand(text, pieces, expected):
    tokens = make_tokenizer(*dict.fromkeys(pieces)).tokenize_with_offsets(text)
    assert [token.text for token in tokens] == pieces
    assert [(token.start, token.end) for token in tokens] == expected


def test_an_unknown_word_has_the_span_of_the_word():
    tokenizer = make_tokenizer("a", "-")
    text = "a \u0130xx-a " + "y" * 300 + "-"
    assert locate(tokenizer, text) == [
        ("a", "a"),
        (UNK, "\u0130xx"),
        ("-", "-"),
        ("a", "a"),
        (UNK, "y" * 300),
        ("-", "-"),
    ]


def test_without_lower_casing_accents_stay_characters_of_words():
    tokenizer = make_tokenizer("Cafe\u0301", "##s", do_lower_case=False)
    assert locate(tokenizer, "Cafe\u0301s") == [
        ("Cafe\u0301", "Cafe\u0301"),
        ("##s", "s"),
    ]


def check_spans(tokenizer, text):
    tokens = tokenizer.tokenize_with_offsets(text)
    assert [token.text for token in tokens] == tokenizer.tokenize(text)
    starts = [token.start for token in tokens]
    ends = [token.end for token in tokens]
    assert starts == sorted(starts)
    assert ends == sorted(ends)
    assert all(0 <= start < end <= len(text) for start, end in zip(starts, ends))
    return tokens


def normalize(text):
    """What BERT makes of the characters of a word, written down anew."""
    kept = (c for c in text if unicodedata.category(c) not in ("Cc", "Cf"))
    text = "".join(kept).replace("\ufffd", "")
    decomposed = unicodedata.normalize("NFD", text.lower())
    return "".join(c for c in decomposed if unicodedata.category(c) != "Mn")


@pytest.mark.parametrize("do_lower_case", [True, False])
def test_spans_of_random_text_rise_and_give_the_tokens_back(do_lower_case):
    rng = random.Random(3)
    alphabet = list(ODD)
    pieces = {piece for c in ODD for piece in (normalize(c), c) if piece.strip()}
    known = [p for piece in sorted(pieces) for p in (piece, "##" + piece)]
    known += ["##" + c for c in sorted({c for piece in pieces for c in piece})]
    tokenizer = make_tokenizer(*dict.fromkeys(known), do_lower_case=do_lower_case)
    for _ in range(3000):
        text = "".join(rng.choices(alphabet, k=rng.randint(0, 12)))
        tokens = check_spans(tokenizer, text)
        if TONE_MARKS.intersection(text):
            continue  # NFD may move them past an accent
        covered = [False] * len(text)
        for token in tokens:
            covered[token.start : token.end] = [True] * (token.end - token.start)
        for index, character in enumerate(text):  # nothing is lost between tokens
            assert covered[index] or not normalize(character).strip(), (text, index)


@pytest.mark.parametrize("do_lower_case", [True, False])
def test_a_token_is_its_part_of_the_text_normalized(testdata, do_lower_case):
    vocabulary = load_vocabulary(str(testdata / "pretraining_data/vocab.txt"))
    tokenizer = Tokenizer(vocabulary, do_lower_case)
    for name in ("abstracts.txt", "odd.txt"):
        path = testdata / "pretraining_data" / name
        for line in path.read_text("utf-8").split("\n"):
            for token in check_spans(tokenizer, line):
                if token.text != UNK and do_lower_case:
                    part = normalize(line[token.start : token.end])
                    assert token.text.replace("##", "", 1) == part


@pytest.mark.skipif(not CORPORA.is_dir(), reason="needs ../shared/data")
@pytest.mark.parametrize("do_lower_case", [True, False])
@pytest.mark.parametrize("name", ["cs_abstracts.txt", "tech_lctt.txt"])
def test_spans_on_a_corpus(testdata, name, do_lower_case):
    vocabulary = load_vocabulary(str(testdata / "pretraining_data/vocab.txt"))
    tokenizer = Tokenizer(vocabulary, do_lower_case)
    with open(CORPORA / "corpus" / name, encoding="utf-8") as file:
        for _, line in zip(range(3000), file):
            check_spans(tokenizer, line)

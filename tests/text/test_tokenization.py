"""Vocabulary files, splitting into words, and WordPiece."""

from __future__ import annotations

import hashlib
import tracemalloc

import pytest

from albert.base.errors import UserError
from albert.text.tokenization import Tokenizer, split_pieces, split_words
from albert.text.vocabulary import (
    SPECIAL_TOKENS,
    UNK,
    Vocabulary,
    VocabularyId,
    identify,
    load_vocabulary,
)


def make_vocabulary(*tokens):
    return Vocabulary([*SPECIAL_TOKENS, *tokens])


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n", (*SPECIAL_TOKENS, "a")),
        (b"[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\n", SPECIAL_TOKENS),
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n\n\n", SPECIAL_TOKENS),
        ("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n灸".encode(), (*SPECIAL_TOKENS, "灸")),
        (b"\xef\xbb\xbf[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n", SPECIAL_TOKENS),
    ],
)
def test_a_vocabulary_has_one_token_a_line(tmp_path, content, tokens):
    path = tmp_path / "vocab.txt"
    path.write_bytes(content)
    vocabulary = load_vocabulary(str(path))
    assert vocabulary.tokens == tokens
    assert vocabulary.to_ids(tokens) == list(range(len(tokens)))
    assert vocabulary.to_tokens([0, len(tokens) - 1]) == [tokens[0], tokens[-1]]
    plain = "\n".join([*tokens, ""]).encode()
    assert vocabulary.sha256 == hashlib.sha256(plain).hexdigest()
    assert vocabulary.file_sha256 == hashlib.sha256(content).hexdigest()


def test_files_of_the_same_tokens_name_the_same_vocabulary(tmp_path):
    """However their lines end; and metadata of before name a file by its bytes."""
    plain = b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n"
    spellings = [
        plain,
        plain.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + plain,
        plain.rstrip(b"\n"),
        plain + b"\n\n",
    ]
    named = []
    for number, content in enumerate(spellings):
        path = tmp_path / str(number)
        path.write_bytes(content)
        named.append(identify(load_vocabulary(str(path))))
        of_bytes = VocabularyId(hashlib.sha256(content).hexdigest(), 6, "metadata")
        assert of_bytes.has_tokens_of(named[-1])
        assert named[-1].has_tokens_of(of_bytes)
    assert all(name.has_tokens_of(named[0]) for name in named)
    (tmp_path / "other").write_bytes(plain.replace(b"a", b"b"))
    other = identify(load_vocabulary(str(tmp_path / "other")))
    assert not any(name.has_tokens_of(other) for name in named)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\na\n", "'a' .line 6. stands 2"),
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n", "lacks the special token .MASK."),
        (b"[PAD]\n", r"lacks the special token \[UNK\], \[CLS\], \[SEP\], \[MASK\]"),
        (b"", "lacks the special token"),
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n\n[MASK]\n", "line 5 is empty"),
        (b"[UNK]\n[PAD]\n[CLS]\n[SEP]\n[MASK]\n", "must be the first token"),
        (b"[PAD]\n[UNK]\n\xff\n", "line 3 is not UTF-8"),
    ],
)
def test_an_unusable_vocabulary_is_refused(tmp_path, content, message):
    path = tmp_path / "vocab.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        load_vocabulary(str(path))
    assert str(path) in str(caught.value)


def test_a_missing_vocabulary_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere.txt: No such file"):
        load_vocabulary(str(tmp_path / "nowhere.txt"))


@pytest.mark.parametrize(
    ("text", "lower", "words"),
    [
        ("用BERT-Base做", True, "用 bert - base 做"),
        ("用BERT-Base做", False, "用 BERT - Base 做"),
        ("Ünïcödé", True, "unicode"),
        ("Ünïcödé", False, "Ünïcödé"),
        ("98.7%,即「好」", True, "98 . 7 % , 即 「 好 」"),
        ("a$b^c`d|e", True, "a $ b ^ c ` d | e"),
        ("tab\tand\u3000wide\u00a0space", True, "tab and wide space"),
        ("drop\x00ped\x07 \ufffdand\u200b\ufeffgone", True, "dropped andgone"),
        ("ＡＢ１２", True, "ａｂ１２"),
        ("𠮷野", True, "𠮷 野"),
        ("豈", True, "豈"),  # U+F900, whose canonical form is U+8C48
        ("カタカナ한글", False, "カタカナ한글"),
        ("line\u2028separator", True, "line separator"),
        ("", True, ""),
        (" \t ", True, ""),
    ],
)
def test_words_are_ideographs_marks_and_runs(text, lower, words):
    assert split_words(text, lower) == words.split(" " if words else None)


@pytest.mark.parametrize(
    ("word", "pieces"),
    [
        ("soft", ["soft"]),
        ("softmax", ["soft", "##max"]),
        ("softmaxmax", ["soft", "##max", "##max"]),
        ("softer", ["soft", "##e", "##r"]),
        ("hard", [UNK]),
        ("softy", [UNK]),
        ("e" + "r" * 199, ["e", *["##r"] * 199]),
        ("e" + "r" * 200, [UNK]),
    ],
)
def test_pieces_are_the_longest_from_the_left(word, pieces):
    vocabulary = make_vocabulary("soft", "so", "##max", "##ft", "##e", "##r", "e")
    assert split_pieces(word, vocabulary) == pieces


def test_words_keep_their_pieces_apart():
    tokenizer = Tokenizer(make_vocabulary("soft", "##max", "用", "-"))
    expected = [
        ("用", ["用"]),
        ("softmax", ["soft", "##max"]),
        ("-", ["-"]),
        ("hard", [UNK]),
    ]
    assert tokenizer.tokenize_words("用SoftMax-Hard") == expected
    assert tokenizer.tokenize_words("用SoftMax-Hard") == expected  # now remembered
    assert tokenizer.tokenize("用SoftMax-Hard") == ["用", "soft", "##max", "-", UNK]


def test_long_chunks_are_tokenised_and_not_remembered():
    """A service is sent ever new ones: 3 MB stayed for each of 20,000 characters."""
    tokenizer = Tokenizer(make_vocabulary("a", "-"))
    tokenizer.tokenize("-a")
    tracemalloc.start()
    for start in "-a":
        assert len(tokenizer.tokenize(start + "a-" * 2_000)) == 4_001 - (start == "a")
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 300_000


def test_accents_are_kept_when_asked_and_all_other_characters_dropped():
    """U+00E9 stays one character; U+E000 is private, U+0378 not assigned."""
    tokens = [*SPECIAL_TOKENS, "caf\u00e9", "cafe", "a", "b"]
    vocabulary = Vocabulary(tokens)
    text = "CAF\u00c9 a\ue000b \u0378a"

    def tokenize(**rules):
        return Tokenizer(vocabulary, **rules).tokenize(text)

    assert tokenize() == ["cafe", "[UNK]", "[UNK]"]
    assert tokenize(strip_accents=False)[0] == "caf\u00e9"
    assert tokenize(do_lower_case=False, strip_accents=True)[0] == "[UNK]"
    assert tokenize(drop_all_other=True) == ["cafe", "[UNK]", "a"]  # ab is no token
    spans = Tokenizer(
        vocabulary, strip_accents=False, drop_all_other=True
    ).tokenize_with_offsets(text)
    assert spans == [("caf\u00e9", 0, 4), ("[UNK]", 5, 8), ("a", 10, 11)]


def test_case_is_kept_when_asked():
    tokenizer = Tokenizer(make_vocabulary("Soft", "soft"), do_lower_case=False)
    assert tokenizer.tokenize("Soft soft SOFT") == ["Soft", "soft", UNK]


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("name", ["abstracts.txt", "english.txt", "odd.txt"])
def test_tokens_equal_those_of_an_independent_tokenizer(testdata, name, lower):
    tokenizers = pytest.importorskip("tokenizers")
    folder = testdata / "pretraining_data"
    ours = Tokenizer(load_vocabulary(str(folder / "vocab.txt")), lower)
    theirs = tokenizers.Tokenizer(
        tokenizers.models.WordPiece(
            ours.vocabulary.ids, unk_token=UNK, max_input_chars_per_word=200
        )
    )
    theirs.normalizer = tokenizers.normalizers.BertNormalizer(
        lowercase=lower, strip_accents=lower
    )
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    lines = (folder / name).read_text(encoding="utf-8").split("\n")
    assert len(lines) > 10
    for line in lines:
        assert ours.tokenize(line) == theirs.encode(line).tokens

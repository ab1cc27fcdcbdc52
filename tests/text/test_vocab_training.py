"""Training a vocabulary, the script around it, and the vocabulary that is bundled."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter

import pytest

from albert.base.errors import UserError
from albert.text.config import VocabTrainingConfig
from albert.text.tokenization import Tokenizer, is_chinese, split_words
from albert.text.vocab_training import (
    build_vocabulary,
    count_words,
    format_coverage,
    gb2312_characters,
    list_base_tokens,
    load_characters,
    measure_coverage,
    train_pieces,
    train_vocabulary,
)
from albert.text.vocabulary import SPECIAL_TOKENS, load_vocabulary

BUNDLED_FROM = ("cs_abstracts.txt", "cs_fulltext_1.txt", "sci_abstracts.txt")
DOCUMENTED_FLAGS = [
    "--vocab_size=21128",
    "--both_cases",
    "--extra_characters=gb2312",
]


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def train(tmp_path, text, **settings):
    settings = {"vocab_size": 1000, "do_lower_case": False, **settings}
    path = write(tmp_path / "corpus.txt", text)
    return train_vocabulary([path], VocabTrainingConfig(**settings))


def run_script(repo, *arguments):
    return subprocess.run(
        [sys.executable, str(repo / "tools/train_vocab.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    "line",
    [
        "用BERT-Base做NER，效果好。",
        "  two  spaces\tand a tab ",
        "a\x00b\x0bc\u200bd\ufeffe are four joins, x\u3000y\u2028z are not all",
        "Café naïve e\u0301 İstanbul",
        "ΑΣ.Β ΑΣ ΣΑΣ中ΑΣ",
        "ext \U00020000\U00020001x compatibility \uf900\uf901 and 㐀 kana がカ 한국",
        "`\u1fef\u037e ≠≮ \ufffd“引”—…",
        "",
    ],
)
def test_words_are_counted_as_the_tokenizer_splits_them(line):
    cased, lowered = count_words([line, line], [False, True])
    assert cased == Counter(split_words(line, False) * 2)
    assert lowered == Counter(split_words(line, True) * 2)


def test_gb2312_holds_its_6763_hanzi_and_682_other_characters():
    characters = gb2312_characters()
    assert len(characters) == len(set(characters)) == 7445
    assert sum(is_chinese(c) for c in characters) == 6763
    assert {"啊", "齄", "。", "Ω", "Я", "の", "①", "Ａ"} <= set(characters)


def test_base_tokens_hold_special_tokens_at_the_published_ids():
    tokens = list_base_tokens([])
    assert [tokens.index(token) for token in SPECIAL_TOKENS] == [0, 100, 101, 102, 103]
    assert tokens[1] == "[unused1]"
    assert tokens[99] == "[unused99]"


def test_characters_other_than_punctuation_have_an_inner_form_too():
    tokens = set(list_base_tokens("灸㐀é"))
    for character in "灸㐀éaZ09℃":
        assert {character, "##" + character} <= tokens
    for character in "#。，“”—…!~":
        assert character in tokens
        assert "##" + character not in tokens


def test_characters_that_the_tokenizer_drops_get_no_token():
    assert list_base_tokens(" \t\n\u3000\u200b\ufeff\ufffd\x00") == list_base_tokens([])


def test_joins_follow_frequency():
    # The pairs count: u+g 20, then u+n 16, then h+ug 15, then p+un 12, all by hand.
    words = Counter({"hug": 10, "pug": 5, "pun": 12, "bun": 4, "hugs": 5})
    base = list_base_tokens([])
    pieces = train_pieces(words, base, len(base) + 4, min_frequency=2)
    assert pieces == ["##ug", "##un", "hug", "pun"]


def test_joins_rarer_than_min_frequency_are_left_out():
    words = Counter({"xy": 3, "zw": 2})
    base = list_base_tokens([])
    assert train_pieces(words, base, 1000, min_frequency=3) == ["xy"]


def test_words_with_a_character_that_has_no_token_teach_nothing():
    words = Counter({"abд": 9, "cd": 2})
    assert train_pieces(words, list_base_tokens([]), 1000, min_frequency=2) == ["cd"]


def test_equally_frequent_joins_always_come_in_the_same_order():
    words = Counter({a + b: 5 for a in "abcdefghijkl" for b in "ABCDEFGHIJKL"})
    base = list_base_tokens([])
    first = train_pieces(words, base, len(base) + 50, min_frequency=2)
    assert len(first) == 50
    for _ in range(5):
        assert train_pieces(words, base, len(base) + 50, min_frequency=2) == first


def test_vocabulary_has_exactly_the_size_asked_for(tmp_path):
    text = "\n".join(f"模型 word{n} Word{n // 2}" for n in range(500))
    vocabulary, _ = train(tmp_path, text, vocab_size=450)
    assert len(vocabulary) == 450
    assert "[unused100]" not in vocabulary


def test_unused_tokens_fill_a_vocabulary_that_the_corpus_cannot(tmp_path, caplog):
    vocabulary, _ = train(tmp_path, "模型 模型 net net", vocab_size=600)
    assert len(vocabulary) == 600
    fill = [t for t in vocabulary.tokens[104:] if t.startswith("[unused")]
    assert fill == [f"[unused{n}]" for n in range(100, 100 + len(fill))]
    assert vocabulary.tokens[-len(fill) :] == tuple(fill)
    assert f"{len(fill)} are unused" in caplog.text


def test_a_vocabulary_too_small_for_its_characters_is_refused(tmp_path):
    text = "模型 模型"
    with pytest.raises(UserError, match=r"vocab_size must be at least \d+ .*got 300"):
        train(tmp_path, text, vocab_size=300)
    base = len(list_base_tokens("模型"))
    assert len(train(tmp_path, text, vocab_size=base)[0]) == base
    with pytest.raises(UserError, match=f"at least {base} "):
        train(tmp_path, text, vocab_size=base - 1)


def test_every_chinese_character_has_its_inner_form_and_letters_are_never_unknown(
    tmp_path,
):
    text = "深度學習㐀\U00020000 deep\n" * 2
    vocabulary, _ = train(tmp_path, text)
    chinese = [t for t in vocabulary.tokens if len(t) == 1 and is_chinese(t)]
    assert sorted(chinese) == sorted("深度學習㐀\U00020000")
    assert all("##" + c in vocabulary for c in chinese)
    tokens = Tokenizer(vocabulary, do_lower_case=False).tokenize("Qzx9w deep 7Up")
    assert "[UNK]" not in tokens
    assert "deep" in tokens


def test_rare_characters_only_take_room_that_is_left_and_extra_ones_are_in(tmp_path):
    extra = write(tmp_path / "extra.txt", "罕見\n㐀 \n")
    text = "常常常 鼩鼩鲀鲀鮈"
    settings = {"min_character_frequency": 3, "extra_characters": (extra,)}
    size = len(list_base_tokens("常罕見㐀"))
    full, _ = train(tmp_path, text, vocab_size=size, **settings)
    assert {"常", "##常", "罕", "##見", "㐀"} <= set(full.tokens)
    assert not {"鼩", "鲀", "鮈"} & set(full.tokens)
    # Room for two more: the most frequent, and none is half there.
    roomier, _ = train(tmp_path, text, vocab_size=size + 5, **settings)
    assert {"鼩", "##鼩", "鲀", "##鲀", "[unused100]"} <= set(roomier.tokens)
    assert "鮈" not in roomier


def test_a_small_corpus_keeps_each_of_its_characters_and_words(tmp_path):
    vocabulary, [coverage] = train(tmp_path, "模型鼩 naïfs naïfs", vocab_size=1000)
    assert not coverage.unknown_words
    assert {"##鼩", "naïfs"} <= set(vocabulary.tokens)


def test_lower_cased_training_sees_no_capitals_or_accents(tmp_path):
    text = "Über BERT Bert bert\n" * 3
    lowered, _ = train(tmp_path, text, do_lower_case=True)
    assert {"uber", "bert"} <= set(lowered.tokens)
    assert not {"BERT", "Bert", "Über", "Ü"} & set(lowered.tokens)
    cased, _ = train(tmp_path, text, do_lower_case=False)
    assert {"BERT", "Bert", "bert", "Über"} <= set(cased.tokens)
    assert "uber" not in cased


def test_both_cases_hold_both_and_count_no_word_twice(tmp_path):
    vocabulary, coverages = train(
        tmp_path, "BERT BERT once 鼩\n", both_cases=True, do_lower_case=True
    )
    assert {"BERT", "bert"} <= set(vocabulary.tokens)
    assert not {"once", "on", "##ce"} & set(vocabulary.tokens)
    assert len(coverages) == 2
    # One 鼩 is none too many for a vocabulary that just holds ASCII.
    size = len(list_base_tokens([]))
    assert "鼩" not in train(tmp_path, "鼩", both_cases=True, vocab_size=size)[0]


@pytest.mark.slow
def test_the_same_corpus_gives_the_same_vocabulary_in_another_process(repo, tmp_path):
    text = "\n".join(f"ab{n:x} {n * 7:x}Z{n % 13:x} 模型" for n in range(300))
    corpus = write(tmp_path / "corpus.txt", text)
    outputs = [tmp_path / "first.txt", tmp_path / "second.txt"]
    for output in outputs:
        done = run_script(
            repo,
            f"--input_file={corpus}",
            f"--output_file={output}",
            "--vocab_size=460",
        )
        assert done.returncode == 0, done.stderr
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_coverage_counts_words_and_characters_that_become_unknown():
    words = Counter({"模": 5, "鼩": 2, "net": 3, "naïf": 1, "，": 4})
    base = list_base_tokens("模")
    vocabulary = build_vocabulary(
        [words],
        set(),
        VocabTrainingConfig(vocab_size=len(base), min_character_frequency=4),
    )
    coverage = measure_coverage(words, vocabulary)
    assert coverage.words == 15
    assert coverage.characters == 5 + 2 + 9 + 4 + 4
    assert coverage.unknown_words == {"鼩": 2, "naïf": 1}
    assert coverage.unknown_characters == {"鼩": 2, "ï": 1}
    text = format_coverage("cased", coverage)
    assert "15 words, 3 become [UNK] (20.0000%)" in text
    assert "24 characters, 3 become [UNK] (12.5000%)" in text
    assert "鼩 2, naïf 1" in text


def test_unknown_character_set_is_named():
    with pytest.raises(UserError, match="'big6' is neither a file nor .*gb2312"):
        load_characters(["big6"])


def test_missing_package_is_named_before_anything_is_read(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(UserError, match=r"tokenizers.*pip install -e '.\[vocab\]'"):
        train_vocabulary(["no_such_file"], VocabTrainingConfig())


@pytest.mark.parametrize(
    "field", ["vocab_size", "min_frequency", "min_character_frequency"]
)
def test_config_refuses_numbers_below_one(field):
    with pytest.raises(UserError, match=f"{field} must be at least 1, got 0"):
        VocabTrainingConfig(**{field: 0})


@pytest.mark.slow
def test_script_writes_the_vocabulary_and_prints_its_coverage(repo, tmp_path):
    for name in ("a.txt", "b.txt"):
        write(tmp_path / name, "卷积神经网络 CNN\r\n\r\n" * 4)
    output = tmp_path / "vocab.txt"
    # As after a shell that expanded --input_file=*.txt: a name follows the flag.
    done = run_script(
        repo,
        f"--input_file={tmp_path / 'a.txt'}",
        str(tmp_path / "b.txt"),
        f"--output_file={output}",
        "--vocab_size=500",
        "--do_lower_case=False",
    )
    assert done.returncode == 0, done.stderr
    vocabulary = load_vocabulary(str(output))
    assert len(vocabulary) == 500
    assert "CNN" in vocabulary
    assert "56 words, 0 become [UNK] (0.0000%)" in done.stdout
    assert "72 characters, 0 become [UNK] (0.0000%)" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"input_file": "{}/none.txt"}, "no such file: .*none.txt"),
        ({"input_file": "{}/none*.txt"}, r"no file matches .*none\*.txt"),
        ({"input_file": "{}"}, "is a folder"),
        ({"input_file": "{}/latin1.txt"}, "latin1.txt: line 2 is not UTF-8"),
        ({"input_file": "{}/blank.txt"}, "no text to train on in .*blank.txt"),
        ({"vocab_size": "200"}, "vocab_size must be at least .* got 200"),
        ({"vocab_size": "0"}, "vocab_size must be at least 1, got 0"),
        ({"vocab_size": "many"}, "vocab_size"),
        ({"output_file": "{}/none/vocab.txt"}, "folder .*none does not exist"),
        ({"output_file": "{}"}, "is a folder, not a file name"),
        ({"output_file": "{}/corpus.txt"}, "corpus.txt is an input file too"),
        ({"extra_characters": "gb2313"}, "'gb2313' is neither"),
        ({"no_such_flag": "1"}, "no_such_flag"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(repo, tmp_path, changed, message):
    write(tmp_path / "corpus.txt", "模型 model\n")
    write(tmp_path / "latin1.txt", b"first\ncaf\xe9\n")
    write(tmp_path / "blank.txt", "\n \n")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    values = {"input_file": "{}/corpus.txt", "output_file": "{}/vocab.txt", **changed}
    done = run_script(
        repo, *(f"--{name}={v.format(tmp_path)}" for name, v in values.items())
    )
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert done.stderr.endswith(errors[0] + "\n")
    assert "Traceback" not in done.stderr
    assert re.search(message, errors[0])
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.skipif(
    getattr(os, "geteuid", lambda: 0)() == 0, reason="root may write anywhere"
)
def test_output_folder_that_is_not_writable_is_named(repo, tmp_path):
    corpus = write(tmp_path / "corpus.txt", "模型\n")
    folder = tmp_path / "sealed"
    folder.mkdir(mode=0o500)
    done = run_script(
        repo, f"--input_file={corpus}", f"--output_file={folder / 'vocab.txt'}"
    )
    assert done.returncode == 1
    assert "sealed is not writable" in done.stderr


@pytest.fixture(scope="module")
def bundled(repo):
    return load_vocabulary(str(repo / "albert_config" / "vocab.txt"))


def test_bundled_vocabulary_has_the_published_size_and_special_ids(bundled):
    assert len(bundled) == 21128
    assert bundled.to_ids(SPECIAL_TOKENS) == [0, 100, 101, 102, 103]


def test_bundled_vocabulary_has_no_token_with_white_space(bundled):
    assert not [t for t in bundled.tokens if any(c.isspace() for c in t)]


def test_bundled_vocabulary_holds_gb2312_with_inner_forms(bundled):
    hanzi = [c for c in gb2312_characters() if is_chinese(c)]
    assert not [c for c in hanzi if c not in bundled or "##" + c not in bundled]
    others = [c for c in gb2312_characters() if not c.isspace()]
    assert not [c for c in others if c not in bundled]


@pytest.mark.parametrize("do_lower_case", [False, True])
def test_bundled_vocabulary_knows_scientific_typography(bundled, do_lower_case):
    text = "“引号”‘单’——破折号…、。《书》【】「」·～〜℃±×≤≥≠αβΔΩ²Ⅱ①（）％５"
    tokens = Tokenizer(bundled, do_lower_case).tokenize(text)
    assert "[UNK]" not in tokens


def test_bundled_vocabulary_keeps_frequent_terms_whole_in_either_case(bundled):
    for cased in ("CNN", "LSTM", "BERT", "SVM", "Web", "Android"):
        assert Tokenizer(bundled, False).tokenize(cased) == [cased]
        assert Tokenizer(bundled, True).tokenize(cased) == [cased.lower()]


@pytest.mark.slow
def test_bundled_vocabulary_is_what_the_documented_command_makes(
    repo, shared, tmp_path
):
    output = tmp_path / "vocab.txt"
    corpus = shared / "data" / "corpus"
    done = run_script(
        repo,
        "--input_file=" + ",".join(str(corpus / name) for name in BUNDLED_FROM),
        f"--output_file={output}",
        *DOCUMENTED_FLAGS,
    )
    assert done.returncode == 0, done.stderr
    bundled = repo / "albert_config" / "vocab.txt"
    assert output.read_bytes() == bundled.read_bytes()


@pytest.mark.parametrize("do_lower_case", [False, True])
@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_bundled_vocabulary_covers_the_scientific_ner_set(
    bundled, shared, part, do_lower_case
):
    path = shared / "data" / "ner" / "scibert_cn" / f"{part}.conll"
    lines = path.read_text(encoding="utf-8").splitlines()
    characters = [line.split()[0] for line in lines if line.strip()]
    tokenizer = Tokenizer(bundled, do_lower_case)
    tokens = [t for c in characters for t in tokenizer.tokenize(c)]
    assert len(characters) > 7000
    assert tokens.count("[UNK]") < 0.001 * len(characters)

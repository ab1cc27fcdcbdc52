"""The tokeniser files of a converted model, read by `transformers`."""

from __future__ import annotations

import itertools

import pytest

from albert.checkpoints import convert, huggingface
from albert.text.tokenization import Tokenizer
from albert.text.vocabulary import load_vocabulary
from tests.checkpoints.foreign_kit import CONFIGS, SIZES

transformers = pytest.importorskip("transformers", reason="needs the extra compare")

TEXTS = (
    "用BERT-Base做图像分类，F1为70.5%。",
    "Ａｌｂｅｒｔ　ﬁne-tuning \u00e9\u0301 ÀÉ ß İ",
    "a\tb\nc\rd\u200be\u00adf\x00g\ufffdh",
    "x" * 150 + " " + "y" * 201,
    "\U00020000\U0002a700\uf900 😀 𝒜 №Ⅳ½",
    "“引号”——……「」《》$+<=>^`|~",
    "[MASK] [CLS] 不是文本 [sep]".replace("[MASK] [CLS] ", ""),
    "",
)


def _write_tokenizer(model, folder):
    described = huggingface.describe(model.config, {}, None)
    huggingface.write_json(str(folder), "config.json", described)
    convert.write_vocabulary(model, str(folder))


@pytest.mark.parametrize("lower", [True, False])
def test_their_tokeniser_gives_our_tokens(tmp_path, repo, lower):
    """With the bundled vocabulary, on text with everything that BERT treats apart."""
    vocabulary = load_vocabulary(str(repo / "albert_config/vocab.txt"))
    model = convert.Model(CONFIGS["bert"], {}, vocabulary, lower)
    _write_tokenizer(model, tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    ours = Tokenizer(vocabulary, lower)
    for text in TEXTS:
        assert theirs.tokenize(text) == ours.tokenize(text), text
    ids = [vocabulary.ids[t] for t in ("[CLS]", "用", "[SEP]", "图", "[SEP]")]
    pair = theirs("用", "图")
    assert pair["input_ids"] == ids
    assert pair["token_type_ids"] == [0, 0, 0, 1, 1]
    assert theirs.mask_token == "[MASK]"
    assert theirs.pad_token_id == vocabulary.ids["[PAD]"]
    assert theirs.model_max_length == SIZES["max_position_embeddings"]


@pytest.mark.parametrize("lower", [True, False])
def test_their_tokeniser_gives_our_tokens_on_the_corpora(tmp_path, shared, lower):
    path = shared / "data/published/albert_config/vocab.txt"
    vocabulary = load_vocabulary(str(path))
    model = convert.Model(CONFIGS["bert"], {}, vocabulary, lower)
    _write_tokenizer(model, tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    ours = Tokenizer(vocabulary, lower)
    for corpus in sorted((shared / "data/corpus").glob("*.txt")):
        with open(corpus, encoding="utf-8") as file:
            lines = [line.strip() for line in itertools.islice(file, 1000)]
        assert list(map(theirs.tokenize, lines)) == list(map(ours.tokenize, lines))

"""Our tokeniser as the files of Hugging Face's, and their vocabulary as ours."""

from __future__ import annotations

import os
from typing import Any

from albert.base import files
from albert.base.errors import UserError
from albert.text.tokenization import MAX_WORD_LENGTH
from albert.text.vocabulary import CLS, CONTINUATION, MASK, PAD, SEP, UNK, Vocabulary

VOCABULARY_NAME = "vocab.txt"
TOKENIZER_NAME = "tokenizer.json"
TOKENIZER_CONFIG_NAME = "tokenizer_config.json"

_SPECIAL_TOKENS = {
    "pad_token": PAD,
    "unk_token": UNK,
    "cls_token": CLS,
    "sep_token": SEP,
    "mask_token": MASK,
}


def _piece(token: str, segment: int) -> dict[str, Any]:
    return {"SpecialToken": {"id": token, "type_id": segment}}


def _template(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the processor that makes [CLS] A [SEP] and [CLS] A [SEP] B [SEP]."""
    first = {"Sequence": {"id": "A", "type_id": 0}}
    second = {"Sequence": {"id": "B", "type_id": 1}}
    single = [_piece(CLS, 0), first, _piece(SEP, 0)]
    special = {
        token: {"id": token, "ids": [vocabulary.ids[token]], "tokens": [token]}
        for token in (CLS, SEP)
    }
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, second, _piece(SEP, 1)],
        "special_tokens": special,
    }


def _added(vocabulary: Vocabulary) -> list[dict[str, Any]]:
    flags = ("single_word", "lstrip", "rstrip", "normalized")
    return [
        {
            "id": vocabulary.ids[token],
            "content": token,
            **dict.fromkeys(flags, False),
            "special": True,
        }
        for token in sorted(_SPECIAL_TOKENS.values(), key=vocabulary.ids.__getitem__)
    ]


def describe_tokenizer(vocabulary: Vocabulary, do_lower_case: bool) -> dict[str, Any]:
    """Return the `tokenizer.json` of a vocabulary.

    It states what `vocab.txt` cannot: words of up to 200 characters are cut into
    pieces, as in BERT, where their own default is 100.
    """
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": _added(vocabulary),
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": do_lower_case,
            "lowercase": do_lower_case,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": _template(vocabulary),
        "decoder": {"type": "WordPiece", "prefix": CONTINUATION, "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": UNK,
            "continuing_subword_prefix": CONTINUATION,
            "max_input_chars_per_word": MAX_WORD_LENGTH,
            "vocab": {token: index for index, token in enumerate(vocabulary.tokens)},
        },
    }


def describe_tokenizer_config(do_lower_case: bool, longest: int) -> dict[str, Any]:
    """Return the `tokenizer_config.json`; `longest` is the model's longest input."""
    return {
        # Reads `tokenizer.json` as it is; BertTokenizer would make its own.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "do_lower_case": do_lower_case,
        "strip_accents": do_lower_case,
        "tokenize_chinese_chars": True,
        "model_max_length": longest,
        **_SPECIAL_TOKENS,
    }


def find_lower_case(folder: str) -> bool:
    """Return whether a folder's tokeniser lower-cases, True where nothing says so."""
    path = os.path.join(folder, TOKENIZER_CONFIG_NAME)
    value = files.read_json(path) if os.path.exists(path) else {}
    return bool(value.get("do_lower_case", True))


def read_tokens(folder: str) -> list[str]:
    """Return the tokens of a folder's vocabulary, in the order of their ids.

    Raises:
        UserError: the folder has neither `vocab.txt` nor a WordPiece tokeniser.
    """
    path = os.path.join(folder, VOCABULARY_NAME)
    if os.path.exists(path):
        return list(files.read_lines(path))
    path = os.path.join(folder, TOKENIZER_NAME)
    if not os.path.exists(path):
        raise UserError(
            f"{folder} holds no vocabulary: neither {VOCABULARY_NAME} nor "
            f"{TOKENIZER_NAME}"
        )
    model = files.read_json(path).get("model", {})
    if model.get("type", "WordPiece") != "WordPiece" or "vocab" not in model:
        raise UserError(f"{path} is no WordPiece vocabulary: {model.get('type')}")
    return sorted(model["vocab"], key=model["vocab"].get)

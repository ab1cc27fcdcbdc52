"""A small NER data set and model for tests, and run_ner.py run on them."""

from __future__ import annotations

import json
import sys

from albert.text.vocabulary import SPECIAL_TOKENS
from tests import forked

# Each entity between brackets; the type is what its first bracket says.
SENTENCES = [
    "本文用{支持向量机}做[图像分类]。",
    "提出{卷积网络}用于[目标检测]。",
    "以{决策树}和{随机森林}做[文本分类]。",
    "在新数据上，{循环网络}的效果更好。",
    "[语音识别]常用{隐马尔可夫模型}。",
    "结果表明方法有效 且快。",
    "该文综述了[机器翻译]的进展，比较了{统计模型}、{循环网络}与{卷积网络}。",
    "{聚类}也能做[图像分割]。",
]
TYPES = {"{": "Method", "[": "Task"}
CONFIG = {
    "hidden_size": 16,
    "embedding_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
}


def _columns(sentence):
    """Return (character, tag) pairs of a sentence with brackets."""
    pairs, kind, tag = [], None, "O"
    for character in sentence:
        if character in TYPES:
            kind, tag = TYPES[character], "B"
        elif character in "}]":
            kind, tag = None, "O"
        else:
            pairs.append((character, f"{tag}-{kind}" if kind else "O"))
            tag = "I" if kind else "O"
    return pairs


def _conll(sentences):
    blocks = ["".join(f"{c} {t}\n" for c, t in _columns(s)) for s in sentences]
    return "\n".join(blocks)


def make_files(folder, **changes):
    """Make data, config.json (with changes) and vocab.txt in a folder; return it."""
    characters = sorted({c for s in SENTENCES for c, _ in _columns(s)} - {" ", "且"})
    tokens = [*SPECIAL_TOKENS, *characters]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    config = {**CONFIG, "vocab_size": len(tokens), **changes}
    (folder / "config.json").write_text(json.dumps(config))
    data = folder / "data"
    data.mkdir()
    for name, part in [
        ("train.conll", SENTENCES * 2),
        ("dev.conll", SENTENCES[:4]),
        ("test.conll", SENTENCES[3:]),
    ]:
        (data / name).write_text(_conll(part), encoding="utf-8")
    return folder


def run(repo, *arguments):
    command = [sys.executable, str(repo / "run_ner.py"), *map(str, arguments)]
    return forked.run(command, capture_output=True, text=True, timeout=300, cwd=repo)


def arguments_of(files, output_dir, *more):
    return [
        f"--data_dir={files / 'data'}",
        f"--bert_config_file={files / 'config.json'}",
        f"--vocab_file={files / 'vocab.txt'}",
        f"--output_dir={output_dir}",
        "--train_batch_size=4",
        "--max_seq_length=20",
        "--num_gpus=0",
        *more,
    ]


def read_results(path):
    lines = path.read_text().splitlines()
    assert lines == sorted(lines)
    return {name: float(value) for name, value in (line.split(" = ") for line in lines)}

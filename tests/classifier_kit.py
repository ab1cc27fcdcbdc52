"""The example data of classification and a tiny model, for tests."""

from __future__ import annotations

import json
import pathlib

from albert.text.vocabulary import SPECIAL_TOKENS

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent / "examples"
CONFIG = {
    "hidden_size": 16,
    "embedding_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
}


def make_model_files(folder):
    """Make config.json and vocab.txt for the example data in a folder; return it."""
    texts = "".join(path.read_text("utf-8") for path in EXAMPLES.glob("*/*.tsv"))
    tokens = [*SPECIAL_TOKENS, *sorted(set(texts) - set(" \t\n"))]
    (folder / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    config = {**CONFIG, "vocab_size": len(tokens)}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def make_flags(folder, output_dir, **changes):
    """Flags of a training on the example reviews; see `make_model_files`."""
    flags = {
        "data_dir": EXAMPLES / "classification",
        "bert_config_file": folder / "config.json",
        "vocab_file": folder / "vocab.txt",
        "output_dir": output_dir,
        "do_train": True,
        "do_eval": True,
        "train_batch_size": 8,
        "num_train_epochs": 2,
        "learning_rate": 0.01,
        "max_seq_length": 24,
        "num_gpus": 0,
        **changes,
    }
    return [f"--{name}={value}" for name, value in flags.items() if value is not None]


def read_results(path):
    lines = (line.split(" = ") for line in path.read_text().splitlines())
    return {name: float(value) for name, value in lines}

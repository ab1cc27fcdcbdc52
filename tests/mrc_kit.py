"""The example data of machine reading and a tiny model, for tests."""

from __future__ import annotations

import json
import pathlib

from albert.text.vocabulary import SPECIAL_TOKENS
from tests.classifier_kit import CONFIG, read_results

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent / "examples" / "mrc"

__all__ = ["EXAMPLES", "load_answers", "make_flags", "make_model_files", "read_results"]


def make_model_files(folder):
    """Make config.json and vocab.txt for the example data in a folder; return it.

    Characters that only the test file has are unknown.
    """
    texts = "".join(
        (EXAMPLES / f"{name}.json").read_text("utf-8") for name in ("train", "dev")
    )
    tokens = [*SPECIAL_TOKENS, *sorted(set(texts.lower()) - set(' \t\n"\\'))]
    tokens += [f"##{character}" for character in "abcdefghijklmnopqrstuvwxyz0123456789"]
    (folder / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    config = {**CONFIG, "vocab_size": len(tokens), "max_position_embeddings": 96}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def make_flags(folder, output_dir, **changes):
    """Flags of a training on the example questions; see `make_model_files`."""
    flags = {
        "data_dir": EXAMPLES,
        "bert_config_file": folder / "config.json",
        "vocab_file": folder / "vocab.txt",
        "output_dir": output_dir,
        "do_train": True,
        "do_eval": True,
        "train_batch_size": 8,
        "num_train_epochs": 2,
        "learning_rate": 0.01,
        "max_seq_length": 96,
        "doc_stride": 40,
        "beam_size": 4,
        "num_gpus": 0,
        **changes,
    }
    return [f"--{name}={value}" for name, value in flags.items() if value is not None]


def load_answers(name):
    """Return id of a question -> its first answer, of an example file."""
    value = json.loads((EXAMPLES / f"{name}.json").read_text("utf-8"))
    return {
        question["id"]: question["answers"][0]["text"]
        for document in value["data"]
        for paragraph in document["paragraphs"]
        for question in paragraph["qas"]
    }

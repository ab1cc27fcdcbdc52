"""What stops a run of NER before anything is written."""

from __future__ import annotations

import pytest

from albert.base.errors import UserError
from albert.tasks.finetuning import run_finetuning
from albert.tasks.finetuning_config import FineTuningConfig, FineTuningRun
from albert.tasks.ner.config import NerConfig
from albert.tasks.ner.task import NerTask
from albert.text.vocabulary import SPECIAL_TOKENS
from albert.training.config import ReplicaConfig


def test_test_file_without_labels_can_be_predicted_but_not_scored(tmp_path):
    path = tmp_path / "test.txt"
    path.write_text("用\n", encoding="utf-8")
    assert NerTask.read_file(str(path), False, NerConfig()).sentences[0].tags is None
    with pytest.raises(UserError, match="line 1 has one column"):
        NerTask.read_file(str(path), True, NerConfig())


VOCAB = "\n".join([*SPECIAL_TOKENS, "用", "图"])
CONFIG = """{"vocab_size": 7, "embedding_size": 4, "hidden_size": 8,
"num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 8,
"max_position_embeddings": 16}"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"data/train.conll": "用 O\n图 B\n"}, "train.conll: line 2: 'B' is no tag"),
        ({"data/train.conll": "用 O\n"}, "train.conll holds no entity"),
        ({"data/dev.conll": "用 M-A\n"}, "dev.conll: line 1: the tag 'M-A' is not of"),
        ({"data/dev.conll": ""}, "dev.conll holds no sentence"),
        ({"data/val.txt": "用 O\n"}, "are both val files"),
        ({"vocab.txt": "[PAD]\n[UNK]\n"}, "lacks the special token"),
        ({"vocab.txt": VOCAB + "\n像\n"}, "vocab_size is 7, but .* has 8 tokens"),
        ({"config.json": "{}"}, "config.json: vocab_size is missing"),
        ({"max_seq_length": 17}, "max_seq_length 17 is more than .* 16"),
        ({"epochs": 0.1}, "give no batch"),
        ({}, None),
    ],
)
def test_wrong_input_stops_a_run_before_it_writes(tmp_path, changed, message):
    texts = {
        "data/train.conll": "用 O\n图 B-A\n",
        "data/dev.conll": "用 B-A\n",
        "vocab.txt": VOCAB,
        "config.json": CONFIG,
        **{name: text for name, text in changed.items() if "." in name},
    }
    (tmp_path / "data").mkdir()
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    output_dir = tmp_path / "model"
    run = FineTuningRun(
        do_train=True,
        output_dir=str(output_dir),
        data_dir=str(tmp_path / "data"),
        config_file=str(tmp_path / "config.json"),
        vocab_file=str(tmp_path / "vocab.txt"),
    )
    given = {"max_seq_length": changed.get("max_seq_length", 16)}
    tuning = FineTuningConfig(
        num_train_epochs=changed.get("epochs", 1.0), train_batch_size=1
    )
    if message is None:  # the input that the other cases spoil
        run_finetuning(NerTask, run, given, tuning, ReplicaConfig(num_gpus=0))
        assert (output_dir / "best" / "labels.json").exists()
        return
    with pytest.raises(UserError, match=message):
        run_finetuning(NerTask, run, given, tuning, ReplicaConfig(num_gpus=0))
    assert not output_dir.exists()

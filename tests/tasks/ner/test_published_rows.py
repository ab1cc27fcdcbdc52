"""The commands for the published table: each one's model, made small."""

from __future__ import annotations

import pytest

from albert.base.settings import list_settings
from albert.modeling.encoder import make_encoder_builder
from albert.tasks.finetuning import plan_training
from albert.tasks.finetuning_config import FineTuningConfig, FineTuningRun
from albert.tasks.ner.config import NerConfig
from albert.tasks.ner.tag_schemes import LabelSet, find_scheme
from albert.tasks.ner.task import NerTask
from albert.training.start import outline_model
from tests.conformance.kit import TOKENIZER, small_config
from tests.test_documents import commands

ARCHITECTURES = {"bert_config": "bert", "albert_config": "albert_zh"}
ARCHITECTURES["embeddings_128"] = "embeddings"


def find_rows():
    """Return name of the row -> its flags, from the document."""
    rows = {}
    for words in commands("docs/ner.md"):
        flags = dict(word[2:].split("=", 1) for word in words[2:])
        if words[1] == "run_ner.py" and flags["output_dir"].startswith("rows/"):
            rows[flags["output_dir"][5:]] = flags
    return rows


ROWS = find_rows()


def read_config(config_class, flags):
    values = {}
    for declared in list_settings(config_class):
        if declared.flag in flags:
            text = flags[declared.flag]
            value = text == "True" if declared.type is bool else declared.type(text)
            values[declared.name] = value
    return config_class(**values)


def test_the_rows_are_those_of_the_table():
    assert set(ROWS) == {"albert", "lstm", "transformer", "frozen", "word2vec"}
    assert ROWS["lstm"]["context"] == "bilstm"
    assert ROWS["transformer"]["context"] == "transformer"
    assert all("head" not in flags for flags in ROWS.values())  # a CRF, the default


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_the_model_of_a_row_builds_and_what_is_trained_is_what_it_says(row):
    flags = {"do_train": "True", **ROWS[row]}
    name = flags["bert_config_file"].rpartition("/")[2].rpartition(".")[0]
    encoder = small_config(ARCHITECTURES[name])
    labels = LabelSet(find_scheme("BIO"), ("A", "B"))
    task = NerTask(read_config(NerConfig, flags), labels, TOKENIZER, encoder)
    tuning = read_config(FineTuningConfig, flags)
    config = plan_training(read_config(FineTuningRun, flags), tuning, task, 64)
    model = outline_model(task, make_encoder_builder(encoder), config.rate_rules)
    assert {"output_weights", "crf/transitions"} <= set(model.trained)
    has_context = any(name.startswith("context/") for name in model.trained)
    assert has_context == ("context" in flags)
    words = f"{encoder.scope}/embeddings/word_embeddings"
    assert words in model.shapes
    assert (words in model.trained) == (row != "frozen")

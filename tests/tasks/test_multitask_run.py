"""What a run of several tasks reads for each of them, and the model it writes of it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from albert.checkpoints import storage
from albert.modeling.encoder import load_encoder_config
from albert.tasks.linear_schedule import Schedule
from albert.tasks.multitask_config import Entry
from albert.tasks.multitask_run import export_member, open_member
from albert.tasks.ner.config import NerConfig
from albert.tasks.ner.task import NerTask
from albert.text.vocabulary import load_vocabulary
from albert.training.task import TRAIN
from tests import ner_kit
from tests.tasks.test_multitask import CONFIG, MEMBERS, VOCABULARY


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A task of entities that has a lexicon and vectors of terms and bigrams."""
    files = ner_kit.make_files(tmp_path_factory.mktemp("ner"))
    (files / "terms.txt").write_text("聚类\n决策树\n", "utf-8")
    (files / "terms.vec").write_text("1 2\n聚类 1 2\n", "utf-8")
    (files / "bigrams.vec").write_text("1 3\n聚类 4 5 6\n", "utf-8")
    settings = NerConfig(
        max_seq_length=20,
        lexicon_file=str(files / "terms.txt"),
        lexicon_vectors=str(files / "terms.vec"),
        bigram_vectors=str(files / "bigrams.vec"),
    )
    entry = Entry("names", NerTask, str(files / "data"), Schedule(1, 1), settings)
    encoder = load_encoder_config(str(files / "config.json"), "bert_config_file")
    return open_member(entry, encoder, load_vocabulary(str(files / "vocab.txt")), 1)


def test_a_task_reads_what_its_files_say_beside_the_tokens(opened):
    member, splits = opened
    beside = member.task.labels.beside
    assert beside.lexicon.terms == ("聚类", "决策树")
    assert beside.lexicon.counts == (3, 3)  # 1, and its sentence stands twice
    np.testing.assert_array_equal(beside.terms.initial[0], [1, 2])
    assert beside.bigrams.units == ("聚类",)
    np.testing.assert_array_equal(beside.bigrams.initial, [[4, 5, 6]])
    assert {"lexicon_ids", "bigram_ids"} <= member.task.features(TRAIN).keys()
    batch = splits["train"].data.make_batch(np.array([2]))
    # [CLS], a character, the three of the second term (counted from 1), a character.
    assert batch["lexicon_ids"][0].max(axis=1)[:6].tolist() == [0, 0, 2, 2, 2, 0]


def test_a_tasks_model_is_written_as_if_it_were_alone(tmp_path):
    values = {
        "bert/embeddings/word_embeddings": np.ones([9, 4], np.float32),
        "one/classifier/output_bias": np.zeros([2], np.float32),
        "two/classifier/output_bias": np.zeros([3], np.float32),
        "two/classifier/output_bias/adam_m": np.ones([3], np.float32),
        storage.GLOBAL_STEP: np.int64(7),
    }
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY.tokens), "utf-8")
    storage.write_variables(str(tmp_path / "model.ckpt-7"), values)
    folder = str(tmp_path / "two")
    vocab = str(tmp_path / "vocab.txt")
    export_member(str(tmp_path / "model.ckpt-7"), MEMBERS[1], CONFIG, folder, vocab)
    shapes = storage.read_shapes(f"{folder}/model.ckpt-7")
    assert shapes == {
        "bert/embeddings/word_embeddings": [9, 4],
        "classifier/output_bias": [3],
        storage.GLOBAL_STEP: [],
    }
    assert json.loads((tmp_path / "two/labels.json").read_text())["labels"] == [*"abc"]

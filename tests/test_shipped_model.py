"""models/computing: what its card says, loads where a user loads it, knows Chinese."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from albert.modeling import heads
from albert.modeling.encoder import load_encoder_config, make_encoder_builder
from albert.text.tokenization import Tokenizer
from albert.text.vocabulary import load_vocabulary
from tests import ner_kit
from tests import pretraining_kit as kit

v1 = tf.compat.v1

FOLDER = kit.REPO / "models" / "computing"
CHECKPOINT = str(FOLDER / "albert_model.ckpt")
CONFIG, VOCABULARY = FOLDER / "albert_config.json", FOLDER / "vocab.txt"
# Written here: a text, and the word that anybody would put for the underscores.
GAPS = [
    ("本文提出一种基于卷积__网络的图像分类方法", "神经"),
    ("实验__表明，该方法有效", "结果"),
    ("利用遗传__对参数进行优化", "算法"),
    ("为了解决这一__，本文提出", "问题"),
    ("该算_具有较高的准确率", "法"),
]


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    """See `kit.Runner`."""
    return kit.Runner(tmp_path_factory.mktemp("runner"))


def build_logits():
    """Return a placeholder of ids, and the logits at all positions, [T, V]."""
    config = load_encoder_config(str(CONFIG))
    ids = v1.placeholder(tf.int32, [1, None])
    ones, zeros = tf.ones_like(ids), tf.zeros_like(ids)
    encoded = make_encoder_builder(config)(ids, ones, zeros, training=False)
    hidden = tf.reshape(encoded.sequence, [-1, config.hidden_size])
    return ids, heads.masked_lm_logits(hidden, encoded.token_decoder, config)


def test_the_folder_is_small_and_has_no_training_state():
    sizes = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert {"README.md", CONFIG.name, VOCABULARY.name, "checkpoint"} <= set(sizes)
    assert sum(sizes.values()) <= 20_000_000
    names = dict(tf.train.list_variables(CHECKPOINT))
    assert not [name for name in names if "adam" in name or name == "global_step"]


def test_the_checkpoint_has_just_the_variables_of_its_configuration():
    with tf.Graph().as_default():
        build_logits()
        expected = {
            variable.op.name: variable.shape.as_list()
            for variable in v1.global_variables()
        }
    assert dict(tf.train.list_variables(CHECKPOINT)) == expected
    config = load_encoder_config(str(CONFIG))
    assert config.vocab_size == len(load_vocabulary(str(VOCABULARY)))


def test_it_fills_gaps_as_anybody_would():
    vocabulary = load_vocabulary(str(VOCABULARY))
    tokenizer = Tokenizer(vocabulary, do_lower_case=True)
    found = []
    with tf.Graph().as_default():
        ids, logits = build_logits()
        with v1.Session() as session:
            v1.train.Saver().restore(session, CHECKPOINT)
            for text, word in GAPS:
                before, after = map(tokenizer.tokenize, text.split("_" * len(word)))
                row = ["[CLS]", *before, *["[MASK]"] * len(word), *after, "[SEP]"]
                scores = session.run(logits, {ids: [vocabulary.to_ids(row)]})
                masked = np.arange(len(word)) + len(before) + 1
                best = scores[masked].argmax(axis=-1)
                found.append("".join(vocabulary.to_tokens(best)))
    assert found == [word for _, word in GAPS]


def test_the_card_names_texts_and_licences():
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    for word in ("ChinaXiv", "CC-BY 4.0", "Apache-2.0", "Limits"):
        assert word in card


@pytest.mark.slow
def test_a_user_fine_tunes_from_it_and_labels_text(runner, tmp_path):
    data = ner_kit.make_files(tmp_path) / "data"
    flags = [
        f"--data_dir={data}",
        f"--init_checkpoint={FOLDER}",
        f"--bert_config_file={CONFIG}",
        "--num_train_epochs=2",
        "--train_batch_size=4",
        "--do_train=True",
        "--num_gpus=0",
    ]
    model = tmp_path / "model"
    fits = [*flags, f"--vocab_file={VOCABULARY}", f"--output_dir={model}"]
    done = runner.run(fits, script="run_ner")
    assert done.status == 0, done.output
    assert "variables loaded" in done.output
    text, labels = tmp_path / "text.txt", tmp_path / "labels.jsonl"
    text.write_text("本文用支持向量机做图像分类。\n", encoding="utf-8")
    done = runner.run(
        [f"--model_dir={model}", f"--input_file={text}", f"--output_file={labels}"],
        script="predict",
    )
    assert done.status == 0, done.output
    (line,) = labels.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["text"] == "本文用支持向量机做图像分类。"
    # The vocabulary that it was not trained with.
    other = kit.REPO / "albert_config" / "vocab.txt"
    wrong = [*flags, f"--vocab_file={other}", f"--output_dir={tmp_path / 'other'}"]
    done = runner.run(wrong, script="run_ner")
    assert done.status == 1
    assert len(done.errors) == 1
    assert not (tmp_path / "other").exists()

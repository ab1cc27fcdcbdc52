"""run_ner.py with features beside the encoder, and with an encoder left as it is."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from albert.checkpoints import restoring, storage
from albert.checkpoints.export import export
from albert.serving.predictor import Predictor
from albert.tasks.ner.conll import read_conll
from tests.ner_kit import arguments_of, make_files

pytestmark = pytest.mark.slow

# Of some terms and bigrams of the sentences, and of others.
TERMS = "支持向量机\n向量\n分类\n图像分类\n决策树\n别的\n"
BIGRAMS = "3 4\n支持 1 0 0 1\n分类 0 1 1 0\n机器 1 1 0 0\n"


@pytest.fixture(scope="module")
def model(runner, tmp_path_factory):
    """The files of a training with all features, whose own files are gone after it."""
    files = make_files(tmp_path_factory.mktemp("ner"))
    lists = files / "lists"
    lists.mkdir()
    (lists / "terms.txt").write_text(TERMS, encoding="utf-8")
    (lists / "bigrams.txt").write_text(BIGRAMS, encoding="utf-8")
    flags = [
        f"--lexicon_file={lists / 'terms.txt'}",
        f"--bigram_vectors={lists / 'bigrams.txt'}",
        "--word_boundaries=jieba",
        "--ngram_features",
        "--learning_rate=0.01",
        "--do_train",
    ]
    arguments = arguments_of(files, files / "model", "--num_train_epochs=5", *flags)
    done = runner.run([*arguments, "--do_eval", "--do_predict"], script="run_ner")
    assert done.status == 0, done.output
    (lists / "terms.txt").write_text(TERMS + "又一个\n", encoding="utf-8")
    arguments = arguments_of(files, files / "model", "--num_train_epochs=6", *flags)
    done = runner.run(arguments, script="run_ner")
    assert done.status == 1
    assert "holds a model with another lexicon; give another output_dir" in done.output
    shutil.rmtree(lists)
    return files


def test_an_export_alone_predicts_what_training_predicted(model, tmp_path):
    exported = str(tmp_path / "export")
    best = model / "model/best"
    step = json.loads((best / "best.json").read_text())["step"]
    export(str(best / f"model.ckpt-{step}"), exported)
    predictor = Predictor(exported)
    wanted = read_conll(str(model / "model/predictions_test.conll")).sentences
    assert predictor.tag([s.columns for s in wanted]) == [list(s.tags) for s in wanted]
    described = predictor.describe()
    assert "lexicon" not in described  # may be as long as a dictionary
    assert predictor.task.settings.lexicon_file == "terms.txt"  # not where it lay
    predictor.close()


def test_a_frozen_encoder_is_kept_and_what_is_above_it_learns(model, runner):
    trained = storage.resolve(str(model / "model"), "x")
    names = [
        name
        for name in storage.read_shapes(trained)
        if name.startswith("bert/")
        and not restoring.is_training_state(name)
        and "/pooler/" not in name  # which an encoder may lack: nothing reads it
    ]
    before = storage.read_variables(trained, names)
    assert len(before) > 10
    storage.write_variables(str(model / "encoder.ckpt"), before)
    output = model / "frozen"
    arguments = arguments_of(model, output, "--num_train_epochs=15", "--do_train")
    arguments += ["--encoder_training=frozen", "--learning_rate=0.02", "--do_eval"]
    arguments += [f"--init_checkpoint={model / 'encoder.ckpt'}"]
    done = runner.run(arguments, script="run_ner")
    assert done.status == 0, done.output
    assert "Computing the encoder's outputs of the training data, once" in done.output
    assert "has no bert/pooler/dense/kernel, which nothing reads" in done.output
    after = storage.read_variables(storage.resolve(str(output), "x"), names)
    for name in names:
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)
    history = json.loads((output / "eval/history.json").read_text())
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]  # of the val file

"""The guard of vocabulary and checkpoint."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from albert.base.errors import UserError
from albert.checkpoints import guard, storage
from albert.modeling.config import AlbertConfig
from albert.text.vocabulary import SPECIAL_TOKENS, identify, load_vocabulary

CONFIG = AlbertConfig(vocab_size=6, hidden_size=8, num_attention_heads=2)


def write_vocabulary(path, last="a"):
    path.write_text("".join(t + "\n" for t in (*SPECIAL_TOKENS, last)), "utf-8")
    return load_vocabulary(str(path))


@pytest.fixture
def vocabulary(tmp_path):
    return write_vocabulary(tmp_path / "given.txt")


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    return path


def test_the_same_vocabulary_passes(folder, vocabulary):
    write_vocabulary(folder / "vocab.txt")
    guard.check_vocabulary_pair(vocabulary, str(folder / "x.ckpt"))


def test_another_vocab_txt_beside_the_checkpoint_stops(folder, vocabulary):
    other = write_vocabulary(folder / "vocab.txt", last="b")
    with pytest.raises(UserError, match="do not belong together") as error:
        guard.check_vocabulary_pair(vocabulary, str(folder / "x.ckpt"))
    for part in (vocabulary.sha256[:12], other.sha256[:12], "given.txt", "6 tokens"):
        assert part in str(error.value)


def test_metadata_beside_the_checkpoint_stop_too(folder, vocabulary):
    named = {"sha256": "0" * 64, "size": 6}
    metadata = {"config": CONFIG.to_dict(), "vocabulary": named}
    (folder / "model.json").write_text(json.dumps(metadata))
    with pytest.raises(UserError, match="model.json.* sha256 000000000000"):
        guard.check_vocabulary_pair(vocabulary, str(folder / "x.ckpt"))


def test_nothing_beside_the_checkpoint_passes(folder, vocabulary):
    guard.check_vocabulary_pair(vocabulary, str(folder / "x.ckpt"))


def test_vocabulary_and_config_must_have_one_size(vocabulary):
    wrong = AlbertConfig(vocab_size=7, hidden_size=8, num_attention_heads=2)
    with pytest.raises(UserError, match="vocab_size is 7, but .* has 6 tokens"):
        guard.check_vocabulary_size(identify(vocabulary), wrong)


def test_a_prepared_folder_holds_config_vocabulary_and_hash(folder, vocabulary):
    named = identify(vocabulary)
    guard.prepare(str(folder), CONFIG, named, vocabulary.path)
    assert load_vocabulary(str(folder / "vocab.txt")).sha256 == vocabulary.sha256
    metadata = json.loads((folder / "model.json").read_text())
    assert metadata["vocabulary"]["sha256"] == vocabulary.sha256
    assert json.loads((folder / "albert_config.json").read_text())["vocab_size"] == 6
    guard.prepare(str(folder), CONFIG, named, vocabulary.path)  # again: the same


def test_a_folder_keeps_its_hash_when_a_later_run_knows_none(folder, vocabulary):
    guard.prepare(str(folder), CONFIG, identify(vocabulary))
    guard.prepare(str(folder), CONFIG)
    metadata = json.loads((folder / "model.json").read_text())
    assert metadata["vocabulary"]["sha256"] == vocabulary.sha256


def test_a_folder_without_a_checkpoint_binds_to_nothing(folder, vocabulary):
    guard.prepare(str(folder), CONFIG, identify(vocabulary))
    other = dataclasses.replace(CONFIG, hidden_size=16)
    guard.prepare(str(folder), other, identify(vocabulary))
    metadata = json.loads((folder / "model.json").read_text())
    assert metadata["config"]["hidden_size"] == 16


@pytest.mark.parametrize("name", ["model.json", "albert_config_tiny.json"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, None),
        ({"hidden_dropout_prob": 0.5}, None),  # a run may choose its dropout
        ({"num_hidden_layers": 9}, "num_hidden_layers is 9, but 12 in"),
        ({"num_attention_heads": 4}, "num_attention_heads is 4, but 2 in"),
        ({"ln_type": "preln"}, "ln_type is preln, but postln in"),
    ],
)
def test_what_leaves_no_trace_in_shapes_is_guarded(folder, name, changes, message):
    value = CONFIG.to_dict()
    if name == "model.json":
        value = {"config": value}
    (folder / name).write_text(json.dumps(value))
    given = dataclasses.replace(CONFIG, **changes)
    if message is None:
        guard.check_config_pair(given, str(folder / "x.ckpt"))
    else:
        with pytest.raises(UserError, match=f"do not belong together: {message}"):
            guard.check_config_pair(given, str(folder / "x.ckpt"))


@pytest.mark.parametrize(
    "content",
    [
        '"x"',
        "{}",
        '{"config": {}, "vocabulary": "x"}',
        '{"config": {}, "vocabulary": {"sha256": 1, "size": 2}}',
    ],
)
def test_metadata_of_another_form_are_named(folder, vocabulary, content):
    (folder / "model.json").write_text(content)
    with pytest.raises(UserError, match="model.json"):
        guard.check_vocabulary_pair(vocabulary, str(folder / "x.ckpt"))


def test_a_folder_with_another_config_is_refused(folder, vocabulary):
    guard.prepare(str(folder), CONFIG, identify(vocabulary))
    (folder / "model.ckpt-1.index").write_text("")
    other = AlbertConfig(vocab_size=6, hidden_size=16, num_attention_heads=2)
    with pytest.raises(UserError, match="hidden_size 8, the config given has 16"):
        guard.prepare(str(folder), other, identify(vocabulary))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"architecture": "bert"}, "architecture bert, the config given has albert_zh"),
        ({"layer_sharing": "none"}, "layer_sharing none, the config given has all"),
        ({"projection_initializer_range": 0.1}, None),  # once trained, all the same
        ({"hidden_dropout_prob": 0.1}, None),
    ],
)
def test_metadata_of_another_architecture_are_another_model(folder, changed, message):
    config = {**CONFIG.to_dict(), **changed}
    (folder / "model.json").write_text(json.dumps({"config": config}))
    (folder / "model.ckpt-1.index").write_text("")
    if message is None:
        guard.check_same_model(str(folder), CONFIG, None)
    else:
        with pytest.raises(UserError, match=message):
            guard.check_same_model(str(folder), CONFIG, None)


def test_metadata_without_an_extension_mean_its_default(folder):
    (folder / "model.json").write_text(json.dumps({"config": CONFIG.to_dict()}))
    (folder / "model.ckpt-1.index").write_text("")
    guard.check_same_model(str(folder), CONFIG, None)
    unshared = dataclasses.replace(CONFIG, layer_sharing="none")
    with pytest.raises(UserError, match="layer_sharing all, the config given has none"):
        guard.check_same_model(str(folder), unshared, None)


def test_a_folder_with_another_vocabulary_is_refused(folder, vocabulary, tmp_path):
    guard.prepare(str(folder), CONFIG, identify(vocabulary))
    (folder / "model.ckpt-1.index").write_text("")
    other = write_vocabulary(tmp_path / "other.txt", last="b")
    with pytest.raises(UserError, match="another vocabulary"):
        guard.prepare(str(folder), CONFIG, identify(other))


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--output_dir: .*file is not a folder"):
        guard.prepare(str(tmp_path / "file" / "model"), CONFIG)


@pytest.mark.parametrize("name", ["runs [2]", "model*", "a?"])
def test_a_folder_that_tensorflow_takes_for_a_pattern_is_refused(tmp_path, name):
    """Training in `model*` would remove old checkpoints of `model_large`."""
    folder = tmp_path / name
    with pytest.raises(UserError, match="--output_dir: .* rename the folder"):
        guard.prepare(str(folder), CONFIG)
    assert not folder.exists()
    folder.mkdir()
    storage.write_variables(str(folder / "x.ckpt"), {"w": np.float32([1])})
    for path in (folder, folder / "x.ckpt"):
        with pytest.raises(UserError, match="--model_dir: .* rename the folder"):
            storage.resolve(str(path), "model_dir")


@pytest.mark.parametrize(
    ("shape", "message"),
    [([6, 128], None), ([6, 64], r"shape \[6, 64\], but .* asks for \[6, 128\]")],
)
def test_companions_of_an_export_must_fit(folder, vocabulary, shape, message):
    prefix = str(folder / "x.ckpt")
    name = "bert/embeddings/word_embeddings"
    storage.write_variables(prefix, {name: np.zeros(shape, np.float32)})
    config = folder / "config.json"
    config.write_text(json.dumps(CONFIG.to_dict()))
    arguments = (str(config), vocabulary.path, prefix, {name: shape})
    if message is None:
        guard.check_companions(*arguments)
    else:
        with pytest.raises(UserError, match=message):
            guard.check_companions(*arguments)

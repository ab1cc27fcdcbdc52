"""Models of ours and of `transformers` with the same weights say the same."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from albert.base.errors import UserError
from albert.checkpoints import convert, huggingface
from albert.modeling.config import AlbertConfig
from tests.checkpoints.foreign_kit import (
    CONFIGS,
    LABELS,
    SIZES,
    TOKENS,
    largest_difference,
    random_variables,
    run,
    run_theirs,
    write_model,
)

pytestmark = pytest.mark.slow

transformers = pytest.importorskip("transformers", reason="needs the extra compare")
pytest.importorskip("torch", reason="needs the extra compare")

CLASSES = {"albert": "Albert", "albert_groups": "Albert"}


def _convert(source, target, to="huggingface"):
    """Convert a folder of ours; return the notes."""
    model = convert.read_tensorflow(str(source / "albert_model.ckpt"))
    if to == "huggingface":
        return convert.write_whole(
            str(target), lambda folder: convert.write_huggingface(model, folder)
        )
    changed = convert.change_architecture(model, to)
    return convert.write_whole(
        str(target), lambda folder: convert.write_tensorflow(changed, folder)
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_pretraining_outputs_equal_those_of_transformers(tmp_path, name):
    config = CONFIGS[name]
    variables = random_variables(config)
    source = write_model(tmp_path / "ours", config, variables)
    notes = _convert(source, tmp_path / "theirs")
    assert [note.split(":")[0] for note in notes] == [
        f"{CLASSES.get(name, 'Bert')}ForPreTraining"
    ]
    model, report = transformers.AutoModelForPreTraining.from_pretrained(
        tmp_path / "theirs", output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert type(model).__name__ == f"{CLASSES.get(name, 'Bert')}ForPreTraining"
    differences = largest_difference(run(config, variables), run_theirs(model))
    assert set(differences) == {"sequence", "masked_lm", "order"}
    assert max(differences.values()) < 1e-5, differences


@pytest.mark.parametrize("name", CONFIGS)
def test_label_scores_equal_those_of_transformers(tmp_path, name):
    config = CONFIGS[name]
    variables = random_variables(config, labels=len(LABELS))
    source = write_model(tmp_path / "ours", config, variables, LABELS)
    _convert(source, tmp_path / "theirs")
    model, report = transformers.AutoModelForTokenClassification.from_pretrained(
        tmp_path / "theirs", output_loading_info=True
    )
    assert not report["missing_keys"]
    assert model.config.id2label == dict(enumerate(LABELS))
    ours = run(config, variables, len(LABELS))
    differences = largest_difference(ours, run_theirs(model))
    assert set(differences) == {"sequence", "labels"}
    assert max(differences.values()) < 1e-5, differences


@pytest.mark.parametrize("name", CONFIGS)
def test_there_and_back_gives_the_same_model(tmp_path, name):
    config = CONFIGS[name]
    variables = random_variables(config)
    _convert(write_model(tmp_path / "ours", config, variables), tmp_path / "theirs")
    model = convert.read_huggingface(str(tmp_path / "theirs"))
    assert model.config == config
    assert model.vocabulary.tokens == TOKENS
    assert model.notes == ()
    assert {n: v.shape for n, v in model.variables.items()} == {
        n: v.shape for n, v in variables.items()
    }
    if not name.startswith("albert_zh"):  # whose word table has other factors
        for key, value in variables.items():
            np.testing.assert_array_equal(model.variables[key], value)
    differences = largest_difference(
        run(config, model.variables), run(config, variables)
    )
    assert max(differences.values()) < 1e-5, differences


THEIRS = {
    "bert": ("Bert", {}),
    "bert_tanh": ("Bert", {"hidden_act": "gelu_new"}),
    "albert": ("Albert", {"embedding_size": 8}),
    "albert_groups": ("Albert", {"embedding_size": 8, "num_hidden_groups": 3}),
}


def _their_model(kind, name, folder, **changes):
    """Make a random model with `transformers` and save it with a vocabulary."""
    import torch

    stem, settings = THEIRS[name]
    config = getattr(transformers, f"{stem}Config")(**{**SIZES, **settings, **changes})
    torch.manual_seed(3)
    model = getattr(transformers, f"{stem}For{kind}")(config)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.1 * torch.randn_like(value))
    model.save_pretrained(folder)
    text = "".join(f"{token}\n" for token in TOKENS)
    (folder / "vocab.txt").write_text(text, encoding="utf-8")
    return model


@pytest.mark.parametrize("name", THEIRS)
def test_models_that_transformers_saved_say_the_same_here(tmp_path, name):
    theirs = _their_model("PreTraining", name, tmp_path)
    model = convert.read_huggingface(str(tmp_path))
    assert model.config.architecture == THEIRS[name][0].lower()
    assert model.notes == ()
    ours = run(model.config, model.variables)
    differences = largest_difference(ours, run_theirs(theirs))
    assert len(differences) == 3
    assert max(differences.values()) < 1e-5, differences


@pytest.mark.parametrize("name", THEIRS)
def test_labelling_models_that_transformers_saved_say_the_same_here(tmp_path, name):
    ids = {"id2label": dict(enumerate(LABELS)), "num_labels": len(LABELS)}
    theirs = _their_model("TokenClassification", name, tmp_path, **ids)
    model = convert.read_huggingface(str(tmp_path))
    assert model.labels == list(LABELS)
    variables = {**random_variables(model.config, len(LABELS)), **model.variables}
    ours = run(model.config, variables, len(LABELS))
    differences = largest_difference(ours, run_theirs(theirs))
    assert max(differences.values()) < 1e-5, differences


def test_albert_zh_becomes_a_bert_checkpoint_and_again_albert_zh(tmp_path):
    config = CONFIGS["albert_zh"]
    variables = random_variables(config)
    source = write_model(tmp_path / "ours", config, variables)
    _convert(source, tmp_path / "bert", to="bert")
    bert = convert.read_tensorflow(str(tmp_path / "bert/albert_model.ckpt"))
    assert bert.config == dataclasses.replace(CONFIGS["bert"])
    wanted = run(config, variables)
    differences = largest_difference(run(bert.config, bert.variables), wanted)
    assert max(differences.values()) < 1e-5, differences
    again = convert.change_architecture(bert, "albert_zh", embedding_size=8)
    assert again.config == config
    differences = largest_difference(run(config, again.variables), wanted)
    assert max(differences.values()) < 1e-5, differences


@pytest.mark.parametrize(
    ("target", "size", "message"),
    [
        ("albert_zh", 8, "differs from the layers before it: the model shares no"),
        ("albert", 8, "architecture bert is none of albert"),
    ],
)
def test_a_bert_that_shares_nothing_is_no_albert(tmp_path, target, size, message):
    config = CONFIGS["bert"]
    source = write_model(tmp_path / "ours", config, random_variables(config))
    model = convert.read_tensorflow(str(source / "albert_model.ckpt"))
    with pytest.raises(UserError, match=message):
        convert.change_architecture(model, target, size)


def test_a_word_table_of_full_rank_is_no_product(tmp_path):
    config = CONFIGS["albert_zh"]
    source = write_model(tmp_path / "ours", config, random_variables(config))
    model = convert.read_tensorflow(str(source / "albert_model.ckpt"))
    bert = convert.change_architecture(model, "bert")
    with pytest.raises(UserError, match="no product of .* embedding_size 7"):
        convert.change_architecture(bert, "albert_zh", 7)


def test_transitions_go_into_a_file_beside_the_weights(tmp_path):
    config = CONFIGS["albert_zh"]
    variables = random_variables(config, labels=len(LABELS))
    scores = np.arange(25, dtype=np.float32).reshape(5, 5)
    variables["crf/transitions"] = scores
    source = write_model(tmp_path / "ours", config, variables, LABELS)
    notes = _convert(source, tmp_path / "theirs")
    assert len(notes) == 2
    assert "not converted: the transition scores of the CRF" in notes[1]
    stored = json.loads((tmp_path / "theirs/crf_transitions.json").read_text())
    assert stored == {"labels": list(LABELS), "transitions": scores.tolist()}


def test_a_model_without_heads_is_a_bare_one(tmp_path):
    config = CONFIGS["bert"]
    variables = random_variables(config)
    bare = {n: v for n, v in variables.items() if not n.startswith("cls/")}
    _convert(write_model(tmp_path / "ours", config, bare), tmp_path / "theirs")
    model, report = transformers.AutoModel.from_pretrained(
        tmp_path / "theirs", output_loading_info=True
    )
    assert type(model).__name__ == "BertModel"
    assert not report["missing_keys"]
    wanted = run(config, variables)["sequence"]
    found = {"sequence": run_theirs(model)["sequence"]}
    assert max(largest_difference(found, {"sequence": wanted}).values()) < 1e-5


def test_old_names_bare_encoders_and_torch_files_are_read(tmp_path):
    """gamma and beta, no prefix, pytorch_model.bin: as in early published models."""
    import torch

    model = _their_model("PreTraining", "bert", tmp_path)
    old = {
        name[len("bert.") :]
        .replace("LayerNorm.weight", "LayerNorm.gamma")
        .replace("LayerNorm.bias", "LayerNorm.beta"): value
        for name, value in model.state_dict().items()
        if name.startswith("bert.")
    }
    (tmp_path / "model.safetensors").unlink()
    torch.save(old, tmp_path / "pytorch_model.bin")
    found = convert.read_huggingface(str(tmp_path))
    variables = {**random_variables(found.config), **found.variables}
    ours = run(found.config, variables)["sequence"]
    wanted = run_theirs(model)["sequence"]
    assert max(largest_difference({"s": ours}, {"s": wanted}).values()) < 1e-5


def test_a_decoder_of_its_own_is_left_out_by_name(tmp_path):
    import torch

    model = _their_model("PreTraining", "bert", tmp_path, tie_word_embeddings=False)
    with torch.no_grad():
        model.cls.predictions.decoder.weight.add_(1.0)
    model.save_pretrained(tmp_path)
    found = convert.read_huggingface(str(tmp_path))
    assert "left out: cls.predictions.decoder.weight" in found.notes
    assert "cls/predictions/output_bias" not in found.variables
    assert "cls/seq_relationship/output_bias" in found.variables


def test_shards_are_read_as_one(tmp_path):
    theirs = _their_model("PreTraining", "bert", tmp_path)
    (tmp_path / "model.safetensors").unlink()
    theirs.save_pretrained(tmp_path, max_shard_size="20kB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    model = convert.read_huggingface(str(tmp_path))
    ours = run(model.config, model.variables)
    assert max(largest_difference(ours, run_theirs(theirs)).values()) < 1e-5


def test_preln_is_refused_in_one_line(tmp_path):
    config = AlbertConfig(**SIZES, embedding_size=8, ln_type="preln")
    source = write_model(tmp_path / "ours", config, random_variables(config))
    with pytest.raises(UserError, match="a pre-LN model .* cannot be converted"):
        _convert(source, tmp_path / "theirs")
    assert not (tmp_path / "theirs").exists()


@pytest.fixture
def folder(tmp_path):
    _their_model("PreTraining", "bert", tmp_path)
    return tmp_path


def _change_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_wrong_folders_are_one_line(folder):
    cases = [
        ({"model_type": "gpt2"}, "unknown architecture: model_type is 'gpt2'"),
        ({"model_type": "bert", "layer_norm_eps": 1e-5}, "layer_norm_eps is 1e-05"),
        ({"layer_norm_eps": 1e-12, "hidden_act": "silu"}, "hidden_act 'silu' is not"),
        ({"hidden_act": "gelu", "is_decoder": True}, "is_decoder is True"),
        ({"is_decoder": False, "vocab_size": 9}, "vocab_size is 9, but .* tokens"),
    ]
    for changes, message in cases:
        _change_config(folder, **changes)
        with pytest.raises(UserError, match=message):
            convert.read_huggingface(str(folder))


def test_weights_that_do_not_fit_are_named(folder):
    weights = huggingface.read_weights(str(folder))
    missing = "bert.encoder.layer.2.output.dense.bias"
    others = {name: value for name, value in weights.items() if name != missing}
    huggingface.write_weights(str(folder / "model.safetensors"), others)
    with pytest.raises(UserError, match=f"the weights lack {missing}"):
        convert.read_huggingface(str(folder))
    words = "bert.embeddings.word_embeddings.weight"
    huggingface.write_weights(
        str(folder / "model.safetensors"), {**weights, words: weights[words][:9]}
    )
    with pytest.raises(UserError, match="word embeddings have 9 rows"):
        convert.read_huggingface(str(folder))


@pytest.mark.parametrize("size", [0, 5, 100, 5000])
def test_a_file_that_is_cut_short_is_one_line(folder, size):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UserError, match=r"model.safetensors is damaged or cut short"):
        convert.read_huggingface(str(folder))


def test_a_folder_without_weights_or_vocabulary_is_one_line(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="holds no weights: neither model.safetensors"):
        convert.read_huggingface(str(folder))
    (folder / "vocab.txt").unlink()
    with pytest.raises(UserError, match="holds no vocabulary"):
        convert.read_huggingface(str(folder))

"""ELECTRA here and in `transformers`: the same weights say the same, both ways."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.checkpoints import convert, initial, restoring, storage
from albert.modeling.encoder import make_encoder_builder
from albert.modeling.huggingface_config import from_huggingface
from albert.modeling.published_config import ElectraConfig
from tests.checkpoints.foreign_kit import (
    IDS,
    LABELS,
    MASK,
    SEGMENTS,
    SIZES,
    TOKENS,
    largest_difference,
    run_theirs,
    write_model,
)
from tests.golden import load_values

v1 = tf.compat.v1

CONFIGS = {
    "narrow embeddings": ElectraConfig(**SIZES, embedding_size=8),
    "embeddings of the layers' width": ElectraConfig(**SIZES),
}
SMALL = {"hidden_size": 12, "num_attention_heads": 3, "intermediate_size": 20}


def encoder_names(config):
    """Name -> shape of the variables of an encoder, as ELECTRA publishes them."""
    words, width = config.embedding_size, config.hidden_size
    inner = config.intermediate_size
    shapes = {
        "embeddings/word_embeddings": [config.vocab_size, words],
        "embeddings/token_type_embeddings": [2, words],
        "embeddings/position_embeddings": [config.max_position_embeddings, words],
        **norm("embeddings/LayerNorm", words),
    }
    if words != width:
        shapes.update(dense("embeddings_project", words, width))
    for index in range(config.num_hidden_layers):
        layer = f"encoder/layer_{index}"
        for name in ("query", "key", "value"):
            shapes.update(dense(f"{layer}/attention/self/{name}", width, width))
        shapes.update(dense(f"{layer}/attention/output/dense", width, width))
        shapes.update(norm(f"{layer}/attention/output/LayerNorm", width))
        shapes.update(dense(f"{layer}/intermediate/dense", width, inner))
        shapes.update(dense(f"{layer}/output/dense", inner, width))
        shapes.update(norm(f"{layer}/output/LayerNorm", width))
    return shapes


def dense(scope, inputs, outputs):
    return {f"{scope}/kernel": [inputs, outputs], f"{scope}/bias": [outputs]}


def norm(scope, width):
    return {f"{scope}/gamma": [width], f"{scope}/beta": [width]}


def discriminator_names(config):
    width, scope = config.hidden_size, "discriminator_predictions"
    return {
        **dense(f"{scope}/dense", width, width),
        **dense(f"{scope}/dense_1", width, 1),
    }


def generator_names(config):
    scope = "generator_predictions"
    return {
        **dense(f"{scope}/dense", config.hidden_size, config.embedding_size),
        **norm(f"{scope}/LayerNorm", config.embedding_size),
        f"{scope}/output_bias": [config.vocab_size],
    }


def draw(shapes, seed=1):
    rng = np.random.default_rng(seed)
    return {
        name: (rng.normal(0, 0.2, shape) + name.endswith("gamma")).astype(np.float32)
        for name, shape in shapes.items()
    }


def under(scope, values):
    return {f"{scope}/{name}": value for name, value in values.items()}


def encode(config, variables):
    """What our encoder says, [B, T, H], of the variables under electra/."""
    with tf.Graph().as_default(), v1.Session() as session:
        sequence = build_encoder(config)
        trained = v1.trainable_variables()
        load_values(session, [(v, variables[v.op.name]) for v in trained])
        return session.run(sequence)


def build_encoder(config):
    ids, mask, segments = (tf.constant(x) for x in (IDS, MASK, SEGMENTS))
    return make_encoder_builder(config)(ids, mask, segments).sequence


ERF = np.vectorize(math.erf, otypes=[float])


def gelu(x):
    return x * (1 + ERF(x / math.sqrt(2))) / 2


def discriminate(sequence, variables):
    """The discriminator's head by hand, [B, T]."""
    scope = "discriminator_predictions"
    hidden = gelu(apply(sequence, variables, f"{scope}/dense"))
    return apply(hidden, variables, f"{scope}/dense_1")[..., 0]


def generate(sequence, variables):
    """The generator's head by hand, [B, T, V]."""
    scope = "generator_predictions"
    hidden = gelu(apply(sequence, variables, f"{scope}/dense"))
    centred = hidden - hidden.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
    hidden = scaled * variables[f"{scope}/LayerNorm/gamma"]
    hidden += variables[f"{scope}/LayerNorm/beta"]
    words = variables["electra/embeddings/word_embeddings"]
    return hidden @ words.T + variables[f"{scope}/output_bias"]


def apply(x, variables, scope):
    return x @ variables[f"{scope}/kernel"] + variables[f"{scope}/bias"]


def to_theirs(tmp_path, config, variables, labels=None):
    source = write_model(tmp_path / "ours", config, variables, labels)
    model = convert.read_tensorflow(str(source / "albert_model.ckpt"))
    target = tmp_path / "theirs"
    return convert.write_whole(
        str(target), lambda folder: convert.write_huggingface(model, folder)
    )


def load(transformers, folder, kind):
    model, report = getattr(transformers, kind).from_pretrained(
        folder, output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    return model


@pytest.fixture
def transformers():
    pytest.importorskip("torch", reason="needs the extra compare")
    return pytest.importorskip("transformers", reason="needs the extra compare")


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_a_discriminator_goes_there_and_back(tmp_path, transformers, name):
    config = CONFIGS[name]
    shapes = {**under("electra", encoder_names(config)), **discriminator_names(config)}
    variables = draw(shapes)
    notes = to_theirs(tmp_path, config, variables)
    assert notes == [f"ElectraForPreTraining: {len(variables)} tensors"]
    model = load(transformers, tmp_path / "theirs", "AutoModelForPreTraining")
    sequence = encode(config, variables)
    ours = {"sequence": sequence, "labels": discriminate(sequence, variables)}
    differences = largest_difference(ours, run_theirs(model))
    assert set(differences) == {"sequence", "labels"}
    assert max(differences.values()) < 1e-5, differences
    again = convert.read_huggingface(str(tmp_path / "theirs"))
    check_equal(again, config, variables)


def check_equal(model, config, variables):
    assert model.config == config
    assert model.vocabulary.tokens == TOKENS
    assert model.notes == ()
    assert set(model.variables) == set(variables)
    for key, value in variables.items():
        np.testing.assert_array_equal(model.variables[key], value)


@pytest.mark.slow
@pytest.mark.parametrize("own_embeddings", [False, True])
def test_a_generator_of_two_networks_goes_there_and_comes_alone(
    tmp_path, transformers, own_embeddings
):
    """As its export has it: layers under generator/, embeddings where they are."""
    width = {"embedding_size": 12 if own_embeddings else 8}
    config = ElectraConfig(**{**SIZES, **SMALL, **width})
    encoder = draw(encoder_names(config))
    scopes = {
        name: "generator" if own_embeddings or "embeddings/" not in name else "electra"
        for name in encoder
    }
    head = draw(generator_names(config), 2)
    variables = {**{f"{scopes[n]}/{n}": v for n, v in encoder.items()}, **head}
    notes = to_theirs(tmp_path, config, variables)
    assert notes == [f"ElectraForMaskedLM: {len(variables)} tensors"]
    model = load(transformers, tmp_path / "theirs", "AutoModelForMaskedLM")
    assert type(model).__name__ == "ElectraForMaskedLM"
    alone = {**under("electra", encoder), **head}
    sequence = encode(config, alone)
    ours = {"sequence": sequence, "labels": generate(sequence, alone)}
    differences = largest_difference(ours, run_theirs(model))
    assert max(differences.values()) < 1e-5, differences
    check_equal(convert.read_huggingface(str(tmp_path / "theirs")), config, alone)


@pytest.mark.slow
def test_of_both_networks_the_discriminator_is_converted(tmp_path, transformers):
    """And the other one is named; an untied head of it would not fit."""
    config = CONFIGS["narrow embeddings"]
    small = dataclasses.replace(config, **SMALL)
    both = {
        **under("electra", encoder_names(config)),
        **discriminator_names(config),
        **under("generator", encoder_names(small)),
        **generator_names(small),
    }
    notes = to_theirs(tmp_path, config, draw(both))
    left_out = [note for note in notes if note.startswith("left out: generator")]
    assert notes[0].startswith("ElectraForPreTraining: ")
    assert len(left_out) == len(notes) - 1
    assert len(left_out) == len(encoder_names(small)) + len(generator_names(small))
    load(transformers, tmp_path / "theirs", "ElectraForPreTraining")


@pytest.mark.slow
def test_an_encoder_alone_and_one_with_labels(tmp_path, transformers):
    config = CONFIGS["narrow embeddings"]
    variables = draw(under("electra", encoder_names(config)))
    sequence = encode(config, variables)
    assert to_theirs(tmp_path, config, variables)[0].startswith("ElectraModel: ")
    model = load(transformers, tmp_path / "theirs", "AutoModel")
    bare = largest_difference({"sequence": sequence}, run_theirs(model))
    (tmp_path / "labels").mkdir()
    labels = {"output_weights": [len(LABELS), 24], "output_bias": [len(LABELS)]}
    head = draw(labels, 5)
    to_theirs(tmp_path / "labels", config, {**variables, **head}, LABELS)
    kind = "AutoModelForTokenClassification"
    model = load(transformers, tmp_path / "labels/theirs", kind)
    assert model.config.id2label == dict(enumerate(LABELS))
    logits = sequence @ head["output_weights"].T + head["output_bias"]
    ours = {"sequence": sequence, "labels": logits}
    labelled = largest_difference(ours, run_theirs(model))
    assert max(*bare.values(), *labelled.values()) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ForPreTraining", "ForMaskedLM", "Model"])
def test_models_that_transformers_saved_say_the_same_here(tmp_path, transformers, kind):
    import torch

    torch.manual_seed(3)
    settings = transformers.ElectraConfig(**SIZES, embedding_size=8)
    theirs = getattr(transformers, f"Electra{kind}")(settings)
    with torch.no_grad():
        for value in theirs.parameters():
            value.add_(0.1 * torch.randn_like(value))
    theirs.save_pretrained(tmp_path)
    text = "".join(f"{token}\n" for token in TOKENS)
    (tmp_path / "vocab.txt").write_text(text, encoding="utf-8")
    model = convert.read_huggingface(str(tmp_path))
    assert model.config == CONFIGS["narrow embeddings"]
    assert model.notes == ()
    sequence = encode(model.config, model.variables)
    ours = {"sequence": sequence}
    if kind != "Model":
        head = discriminate if kind == "ForPreTraining" else generate
        ours["labels"] = head(sequence, model.variables)
    differences = largest_difference(ours, run_theirs(theirs))
    assert set(differences) == set(ours)
    assert max(differences.values()) < 1e-5, differences


@pytest.mark.parametrize("kind", ["discriminator", "generator"])
def test_fine_tuning_starts_from_either_network(tmp_path, monkeypatch, kind):
    """All of the encoder is loaded, and the head of pretraining is left."""
    pytest.importorskip("safetensors", reason="needs the extra convert")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = CONFIGS["narrow embeddings"]
    head = {"discriminator": discriminator_names, "generator": generator_names}[kind]
    encoder = under("electra", encoder_names(config))
    to_theirs(tmp_path, config, draw({**encoder, **head(config)}))
    checkpoint = initial.resolve(str(tmp_path / "theirs"), "init_checkpoint")
    model = {**encoder, "output_weights": [5, 24], "output_bias": [5]}
    plan = restoring.plan_initialisation(model, checkpoint)
    assert plan.fresh == ("output_bias", "output_weights")
    assert set(plan.loaded) == set(encoder)
    assert set(plan.unused) == set(head(config))
    for name, shape in encoder.items():
        assert list(storage.read_shapes(checkpoint)[name]) == shape


def test_the_approximate_gelu_is_refused():
    values = {"model_type": "electra", "hidden_act": "gelu_new"}
    with pytest.raises(UserError, match="config.json: hidden_act 'gelu_new', the appr"):
        from_huggingface(values, "config.json")
    assert from_huggingface({"model_type": "electra"}, "x").hidden_act == "gelu_erf"

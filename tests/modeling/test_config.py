"""The configuration of a model: what is read, what is refused, what is bundled."""

from __future__ import annotations

import dataclasses
import json

import pytest

from albert.base.errors import UserError
from albert.modeling.config import AlbertConfig, check_segments
from albert.modeling.encoder import load_encoder_config, parse_encoder_config

SMALL = {"vocab_size": 50, "embedding_size": 8, "hidden_size": 12}
# name: hidden size, layers, heads, feed-forward width, place of the LayerNorm
FAMILY = {
    "tiny": (312, 4, 12, 1248, "postln"),
    "base": (768, 12, 12, 3072, "postln"),
    "large": (1024, 24, 16, 4096, "postln"),
    "xlarge": (2048, 24, 32, 8192, "postln"),
    "xxlarge": (4096, 12, 64, 16384, "preln"),
}


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_keys_become_fields_and_the_rest_keeps_its_default():
    config = parse_encoder_config({**SMALL, "hidden_dropout_prob": 0.1}, "c.json")
    assert (config.vocab_size, config.embedding_size, config.hidden_size) == (50, 8, 12)
    assert config.hidden_dropout_prob == 0.1
    assert config.num_hidden_layers == 12
    assert config.max_position_embeddings == 512
    assert config.ln_type == "postln"


def test_a_configuration_survives_its_json_form():
    config = AlbertConfig(vocab_size=9, hidden_size=24, ln_type="preln")
    values = json.loads(json.dumps(config.to_dict()))
    assert parse_encoder_config(values, "c.json") == config


def test_keys_that_published_files_lack_are_written_only_where_they_differ():
    published = AlbertConfig(vocab_size=9).to_dict()
    assert set(published) == {
        "vocab_size",
        "hidden_size",
        "embedding_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
        "hidden_act",
        "hidden_dropout_prob",
        "attention_probs_dropout_prob",
        "max_position_embeddings",
        "type_vocab_size",
        "initializer_range",
        "ln_type",
    }
    changed = {
        "layer_sharing": "none",
        "ln_type": "preln",
        "final_layer_norm": True,
        "projection_initializer_range": 0.09,
    }
    config = AlbertConfig(vocab_size=9, **changed)
    assert config.to_dict() == {**published, **changed}
    assert parse_encoder_config(config.to_dict(), "c.json") == config


def test_an_absent_architecture_is_albert_zh():
    config = parse_encoder_config(SMALL, "c.json")
    assert parse_encoder_config({**SMALL, "architecture": "albert_zh"}, "") == config
    assert config.architecture == "albert_zh"


@pytest.mark.parametrize("value", ["gpt", None, ["albert_zh"]])
def test_an_unknown_architecture_is_named(value):
    with pytest.raises(
        UserError, match="c.json: architecture must be one of albert_zh"
    ):
        parse_encoder_config({**SMALL, "architecture": value}, "c.json")


def test_a_pair_needs_two_segment_ids():
    check_segments(AlbertConfig(vocab_size=9), 2)
    with pytest.raises(UserError, match="type_vocab_size is 1, but .* 2 segments"):
        check_segments(AlbertConfig(vocab_size=9, type_vocab_size=1), 2)


def test_a_configuration_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        AlbertConfig(vocab_size=9).hidden_size = 3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("directionality", "bidi"),
        ("pooler_fc_size", 768),
        ("pooler_num_attention_heads", 12),
        ("pooler_num_fc_layers", 3),
        ("pooler_size_per_head", 128),
        ("pooler_type", "first_token_transform"),
    ],
)
def test_legacy_keys_are_passed_over(key, value):
    plain = parse_encoder_config(SMALL, "c.json")
    assert parse_encoder_config({**SMALL, key: value}, "c.json") == plain


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "postln"), ("postln", "postln"), ("preln", "preln")],
)
def test_ln_type_of_null_is_postln(value, expected):
    config = parse_encoder_config({**SMALL, "ln_type": value}, "c.json")
    assert config.ln_type == expected


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"hiden_size": 12}, "unknown key 'hiden_size'"),
        ({"ln_type": "mid"}, "ln_type must be one of postln, preln; got 'mid'"),
        ({"ln_type": 3}, "ln_type must be str, got 3"),
        ({"hidden_act": "swish"}, "hidden_act must be one of .*gelu.*got 'swish'"),
        ({"hidden_act": None}, "hidden_act must be str, got None"),
        ({"vocab_size": 0}, "vocab_size must be at least 1, got 0"),
        ({"vocab_size": "50"}, "vocab_size must be int, got '50'"),
        ({"vocab_size": 50.0}, "vocab_size must be int, got 50.0"),
        ({"vocab_size": True}, "vocab_size must be int, got True"),
        ({"num_hidden_layers": -1}, "num_hidden_layers must be at least 1, got -1"),
        ({"hidden_size": 13}, "hidden_size must be a multiple .*got 13 and 12"),
        ({"hidden_dropout_prob": 1.0}, "hidden_dropout_prob must be .*below 1.*got 1"),
        ({"hidden_dropout_prob": -0.1}, "hidden_dropout_prob must be at least 0"),
        ({"attention_probs_dropout_prob": 1}, "attention_probs_dropout_prob must be"),
        ({"attention_probs_dropout_prob": float("nan")}, "got nan"),
        ({"initializer_range": 0}, "initializer_range must be above 0, got 0"),
        ({"projection_initializer_range": 0}, "projection_initializer_range must be"),
        (
            {"layer_sharing": "some"},
            "layer_sharing must be one of all, attention, none",
        ),
        ({"final_layer_norm": 1}, "final_layer_norm must be bool, got 1"),
        ({"final_layer_norm": True}, "final_layer_norm is for ln_type preln"),
        ({"num_hidden_groups": 99}, "num_hidden_groups must be at most num_hidden_lay"),
        ({"inner_group_num": 2}, "inner_group_num must be 1, as in every published"),
        (
            {"num_hidden_groups": 1, "net_structure_type": 1},
            "net_structure_type must be 0, as in every published model; got 1",
        ),
        ({"net_structure_type": 0}, "unknown key 'net_structure_type'"),
        (
            {"architecture": "albert_zh", "num_hidden_groups": 1},
            "unknown key 'num_hidden_groups'",
        ),
        ({"architecture": "bert"}, "unknown key 'embedding_size'"),
    ],
)
def test_wrong_values_are_named_with_file_rule_and_value(changed, message):
    with pytest.raises(UserError, match=f"^some.json: .*{message}"):
        parse_encoder_config({**SMALL, **changed}, "some.json")


@pytest.mark.parametrize("key", ["vocab_size", "embedding_size", "hidden_size"])
def test_a_missing_size_is_named(key):
    values = {k: v for k, v in SMALL.items() if k != key}
    with pytest.raises(UserError, match=f"some.json: {key} is missing"):
        parse_encoder_config(values, "some.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "c.json is not JSON"),
        ("[1]", "c.json: not a JSON object"),
        ('{"vocab_size": 5}', "embedding_size is missing"),
        ('{"vocab_size": 5, "embedding_size": 4}', "hidden_size is missing"),
    ],
)
def test_a_file_that_holds_no_configuration_is_named(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        load_encoder_config(write(tmp_path / "c.json", text))


def test_a_missing_file_is_named_with_its_flag(tmp_path):
    with pytest.raises(UserError, match="--bert_config_file: .*none.json: No such"):
        load_encoder_config(str(tmp_path / "none.json"), "bert_config_file")


@pytest.mark.parametrize(("name", "expected"), FAMILY.items())
def test_bundled_configuration_has_the_sizes_of_its_name(repo, name, expected):
    path = repo / "albert_config" / f"albert_config_{name}.json"
    config = load_encoder_config(str(path))
    hidden, layers, heads, feed_forward, ln_type = expected
    assert config == AlbertConfig(
        vocab_size=21128,
        embedding_size=128,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=feed_forward,
        ln_type=ln_type,
    )


@pytest.mark.parametrize("name", FAMILY)
def test_bundled_configuration_equals_the_published_one(repo, shared, name):
    file_name = f"albert_config_{name}.json"
    published = shared / "data" / "published" / "albert_config" / file_name
    values = json.loads(published.read_text(encoding="utf-8"))
    bundled = json.loads(
        (repo / "albert_config" / file_name).read_text(encoding="utf-8")
    )
    assert bundled == {key: values[key] for key in bundled}
    assert set(values) - set(bundled) <= {
        "directionality",
        *(key for key in values if key.startswith("pooler_")),
    }
    assert load_encoder_config(str(published)) == AlbertConfig(**bundled)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("small_google", (384, 6, 12, 1536, 1)),
        ("tiny_google", (312, 4, 12, 1248, 1)),
        ("base_google_fast", (768, 12, 12, 3072, 12)),
    ],
)
def test_published_google_configurations_need_not_name_their_architecture(
    shared, name, sizes
):
    folder = shared / "data" / "published" / "albert_config"
    path = folder / f"albert_config_{name}.json"
    config = load_encoder_config(str(path))
    assert config.architecture == "albert"
    keys = ("hidden_size", "num_hidden_layers", "num_attention_heads")
    keys += ("intermediate_size", "num_hidden_groups")
    assert tuple(getattr(config, key) for key in keys) == sizes
    written = config.to_dict()
    assert written == {"architecture": "albert", **json.loads(path.read_text())}
    assert parse_encoder_config(written, "again") == config


def test_a_group_for_no_layer_is_refused(shared):
    path = "data/published/albert_config/albert_config_tiny_google_fast.json"
    with pytest.raises(
        UserError, match="num_hidden_groups must be at most .* 12 and 4"
    ):
        load_encoder_config(str(shared / path))


def test_the_published_bert_configuration_needs_its_architecture(shared):
    path = shared / "data/published/albert_config/bert_config.json"
    with pytest.raises(UserError, match='a BERT config needs "architecture": "bert"'):
        load_encoder_config(str(path))
    values = json.loads(path.read_text())
    config = parse_encoder_config({"architecture": "bert", **values}, "bert.json")
    assert config.architecture == "bert"
    assert config.word_embedding_size == config.hidden_size == 768
    assert parse_encoder_config(config.to_dict(), "again") == config


def test_bundled_vocabulary_fits_the_bundled_configurations(repo):
    vocabulary = (repo / "albert_config" / "vocab.txt").read_text(encoding="utf-8")
    assert vocabulary.count("\n") == 21128

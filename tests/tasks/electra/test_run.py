"""What a run is made of: presets, wrong input."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from albert.base.errors import UserError
from albert.checkpoints import networks, restoring, storage
from albert.modeling.published_config import ElectraConfig
from albert.records.features import ELECTRA, electra_spec, serialize
from albert.tasks.electra import run
from albert.tasks.electra.config import (
    ElectraFiles,
    ElectraRunConfig,
    ObjectiveConfig,
    UpdateConfig,
)
from albert.tasks.electra.generator import make_generator_config
from albert.tasks.electra.presets import PRESETS, with_preset
from albert.tasks.pretraining_run import inspect_records
from albert.training.config import Schedule, TrainingConfig
from tests import pretraining_kit as kit

RUN = ElectraRunConfig(do_train=True)
SMALL = {"architecture": "electra", "vocab_size": 9, "hidden_size": 8}
SMALL.update(num_attention_heads=2, num_hidden_layers=2, intermediate_size=16)


# layers, hidden, heads, embedding, width and heads of the generator, rate, batch,
# steps, masked share: the table of ELECTRA.md, section 10.
PUBLISHED = {
    "small": (12, 256, 4, 128, 64, 1, 5e-4, 128, 1_000_000, 0.15),
    "base": (12, 768, 12, 768, 256, 4, 2e-4, 256, 1_000_000, 0.15),
    "large": (24, 1024, 16, 1024, 256, 4, 2e-4, 2048, 1_000_000, 0.25),
    "chinese_small": (12, 256, 4, 128, 64, 1, 5e-4, 1024, 1_000_000, 0.15),
    "chinese_small_ex": (24, 256, 4, 256, 64, 1, 5e-4, 384, 2_000_000, 0.15),
    "chinese_base": (12, 768, 12, 768, 192, 3, 2e-4, 256, 1_000_000, 0.15),
    "chinese_large": (24, 1024, 16, 1024, 256, 4, 1e-4, 96, 2_000_000, 0.15),
}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_the_published_values(name):
    assert set(PRESETS) == set(PUBLISHED)
    model = PRESETS[name].make_config(9)
    objective = with_preset(ObjectiveConfig(), name, ())
    training = with_preset(TrainingConfig("m"), name, ())
    generator = make_generator_config(
        model, objective.generator_hidden_size, objective.generator_layers
    )
    assert PUBLISHED[name] == (
        *(model.num_hidden_layers, model.hidden_size, model.num_attention_heads),
        *(model.embedding_size, generator.hidden_size, generator.num_attention_heads),
        *(training.learning_rate, training.train_batch_size, training.num_train_steps),
        objective.mask_prob,
    )
    assert model.intermediate_size == 4 * model.hidden_size
    assert model.hidden_dropout_prob == model.attention_probs_dropout_prob == 0.1


def test_given_flags_hold_in_place_of_a_preset():
    given = TrainingConfig("m", learning_rate=1e-3)
    found = with_preset(given, "chinese_large", {"learning_rate": 1e-3})
    assert (found.learning_rate, found.train_batch_size) == (1e-3, 96)
    assert with_preset(given, None, ()) == given


def test_the_first_update_has_the_rate_of_step_0_unless_told_otherwise():
    assert UpdateConfig().schedule == Schedule(1.0, True, True)
    assert UpdateConfig(2.0, True).schedule == Schedule(2.0, True, False)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "give --bert_config_file, or --model_size: small, base"),
        ({**SMALL, "architecture": "bert"}, 'got bert; add "architecture": "electra"'),
    ],
)
def test_the_model_must_be_named_and_an_electra(tmp_path, config, message):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    files = ElectraFiles(None if config is None else str(path), ("a",))
    with pytest.raises(UserError, match=message):
        run.load_model(RUN, files)


def test_a_size_takes_the_vocabulary_of_the_records(tmp_path):
    file = tmp_path / "a.tfrecord"
    config = dataclasses.replace(RUN, model_size="small")
    files = ElectraFiles(None, (str(file),))
    with pytest.raises(UserError, match="no metadata beside .*; give --vocab_file"):
        run.load_model(config, files)
    named = {"sha256": "0" * 64, "size": 77, "path": "v.txt"}
    metadata = {"objective": ELECTRA, "vocabulary": named}
    (tmp_path / "a.tfrecord.json").write_text(json.dumps(metadata))
    assert run.load_model(config, files).vocab_size == 77
    del metadata["objective"]  # of the masked language model
    (tmp_path / "a.tfrecord.json").write_text(json.dumps(metadata))
    with pytest.raises(UserError, match="needs records of create_electra_data.py"):
        run.load_model(config, files)


@pytest.mark.parametrize(
    ("given", "length", "message"),
    [
        (20, 128, r"20 does not follow from mask_prob 0.15 and records of 128 tokens, "
                  "which make it 19"),
        (None, 6, "leave nothing to mask"),
    ],
)  # fmt: skip
def test_slots_that_do_not_follow_are_refused(given, length, message):
    config = dataclasses.replace(RUN, max_predictions_per_seq=given)
    with pytest.raises(UserError, match=message):
        run.check_slots(config, ObjectiveConfig(), length)


def test_slots_that_follow_pass():
    config = dataclasses.replace(RUN, max_predictions_per_seq=19)
    run.check_slots(config, ObjectiveConfig(), 128)


def test_records_of_another_objective_are_refused(tmp_path):
    """Without metadata, by what they hold: masked records, and texts for these."""
    masked, text = tmp_path / "masked", tmp_path / "text"
    kit.write_records(masked, kit.make_examples(2))
    row = [2, 5, 6, 3] + [0] * (kit.LENGTH - 4)
    values = {feature.name: row for feature in electra_spec(kit.LENGTH)}
    kit.write_records(text, [serialize(values, electra_spec(kit.LENGTH))])
    model = ElectraConfig(kit.VOCABULARY_SIZE)
    files = ElectraFiles(None, (str(masked),))
    with pytest.raises(UserError, match="made by create_pretraining_data.py"):
        inspect_records(RUN, files, model, ELECTRA)
    files = ElectraFiles(None, (str(text),))
    found, _ = inspect_records(RUN, files, model, ELECTRA)
    assert found.max_seq_length == kit.LENGTH
    with pytest.raises(UserError, match="lack the feature masked_lm_positions"):
        inspect_records(RUN, files, model)


LAYER = "encoder/layer_0/attention/self/query/kernel"
WIDE = "encoder/layer_0/intermediate/dense/kernel"
BOTH = {
    "electra/embeddings/word_embeddings": [9, 4],
    f"electra/{LAYER}": [8, 8],
    f"generator/{LAYER}": [6, 6],
    f"generator/{WIDE}": [6, 24],
    "discriminator_predictions/dense/kernel": [8, 8],
    "generator_predictions/output_bias": [9],
}


def write(folder, shapes):
    prefix = str(folder / "model.ckpt")
    arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    storage.write_variables(prefix, arrays)
    return prefix


@pytest.mark.parametrize(
    ("kept", "needed", "message"),
    [
        ("electra", BOTH, "holds a discriminator alone, the model needs a generator"),
        ("generator", BOTH, "holds a generator alone, the model needs a discriminator"),
        # Fine-tuning: the embeddings would be loaded, the layers be random.
        (
            "generator",
            {n: s for n, s in BOTH.items() if n.startswith("electra")},
            "holds a generator alone, the model needs a discriminator",
        ),
    ],
)
def test_a_checkpoint_of_one_network_is_refused(tmp_path, kept, needed, message):
    others = {"electra": "generator", "generator": "electra"}
    shapes = {n: s for n, s in BOTH.items() if not n.startswith(f"{others[kept]}/enc")}
    checkpoint = write(tmp_path, shapes)
    with pytest.raises(UserError, match=message):
        restoring.plan_initialisation(needed, checkpoint)


def test_fine_tuning_takes_the_discriminator_of_both(tmp_path):
    needed = {n: s for n, s in BOTH.items() if n.startswith("electra")}
    plan = restoring.plan_initialisation(needed, write(tmp_path, BOTH))
    assert plan.fresh == ()
    assert "generator_predictions/output_bias" in plan.unused


def test_a_network_has_its_head_and_the_embeddings_that_it_shares():
    names = sorted(BOTH)
    found = networks.network_names("generator", names, "c")
    assert set(found) == {
        *("electra/embeddings/word_embeddings", "generator_predictions/output_bias"),
        *(f"generator/{LAYER}", f"generator/{WIDE}"),
    }
    own = [*names, "generator/embeddings/word_embeddings"]
    found = networks.network_names("generator", own, "c")
    assert not any(name.startswith("electra/") for name in found)
    found = networks.network_names("discriminator", own, "c")
    assert not any(name.startswith("generator") for name in found)
    assert "discriminator_predictions/dense/kernel" in found
    one = [n for n in names if not n.startswith("generator/")]
    with pytest.raises(UserError, match="c holds no generator of ELECTRA"):
        networks.network_names("generator", one, "c")


def test_the_generators_config_is_that_of_its_variables():
    config = ElectraConfig.from_dict({**SMALL, "embedding_size": 4}, "f")
    found = networks.network_config("generator", config, BOTH)
    assert found == dataclasses.replace(
        config,
        hidden_size=6,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=24,
    )
    own = {**BOTH, "generator/embeddings/word_embeddings": [9, 6]}
    assert networks.network_config("generator", config, own).embedding_size == 6
    assert networks.network_config("discriminator", config, own) == config

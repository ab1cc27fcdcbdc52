"""The configurations of recipes build, and go with the bundled vocabulary."""

from __future__ import annotations

import pathlib

import pytest

from albert.modeling.encoder import load_encoder_config
from albert.text.vocabulary import load_vocabulary
from tests.pretraining_kit import REPO

FOLDER = REPO / "albert_config"
RECIPES = sorted(path.name for path in (FOLDER / "recipes").glob("*.json"))


def test_there_are_recipes_and_the_documents_name_each():
    text = pathlib.Path(REPO / "docs/pretraining.md").read_text(encoding="utf-8")
    assert RECIPES
    assert all(f"albert_config/recipes/{name}" in text for name in RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_for_the_bundled_vocabulary(name):
    config = load_encoder_config(str(FOLDER / "recipes" / name))
    assert config.vocab_size == len(load_vocabulary(str(FOLDER / "vocab.txt")))

"""From every format to every other and back: the same, or the loss is named."""

from __future__ import annotations

import random

import pytest

from albert.tasks.ner.annotations import columns, document
from albert.tasks.ner.annotations.convert import FORMATS
from albert.tasks.ner.annotations.document import Document, Entity, order

# White space that may be a character, both kinds of planes, marks of files and JSON.
PLAIN = "ab图像，。BIO-\"'\\[]{} \t\u3000\u00a0\u2028\x85\x1c\ufeff😀𠀀\r\ufffd"
TAGGED = ("bio", "bmes", "bioes")


def _text(rng, alphabet, longest=12):
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(1, longest)))


def _flat_entities(rng, text):
    """Entities that do not overlap; neighbours may touch."""
    count = rng.randint(0, min(4, len(text)))
    cuts = sorted(rng.sample(range(len(text) + 1), count + 1))
    spans = list(zip(cuts, cuts[1:]))
    return order([Entity(rng.choice("AB"), *s) for s in spans if rng.random() < 0.7])


def _any_entities(rng, text):
    """Entities that may overlap, nest, be equal, or be empty."""
    found = []
    for _ in range(rng.randint(0, 5)):
        start, end = sorted(rng.choices(range(len(text) + 1), k=2))
        found.append(Entity(rng.choice(["A", "B C", "图"]), start, end))
    return order(found)


def _pass_through(name, items, tmp_path):
    written = FORMATS[name].write(items)
    path = tmp_path / name
    path.write_text(written.text, encoding="utf-8", newline="")
    loaded = FORMATS[name].read(str(path))
    return loaded.documents, written.losses + loaded.losses


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("name", FORMATS)
def test_flat_entities_of_one_line_survive_every_format(tmp_path, name, seed):
    rng = random.Random(seed)
    items = []
    for _ in range(8):
        text = _text(rng, PLAIN)
        items.append(Document(text, _flat_entities(rng, text)))
    found, losses = _pass_through(name, items, tmp_path)
    assert found == items
    assert not losses


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("name", [n for n in FORMATS if n not in TAGGED])
def test_json_keeps_overlaps_line_breaks_ids_and_fields(tmp_path, name, seed):
    rng = random.Random(100 + seed)
    items = []
    for number in range(8):
        text = _text(rng, PLAIN + "\n")
        entities = _any_entities(rng, text)
        if name == "cluener":
            entities = tuple(e for e in entities if e.start < e.end)
        fields = {"来源": {"page": number}} if rng.random() < 0.5 else {}
        items.append(Document(text, entities, rng.choice([None, 0, number]), fields))
    found, losses = _pass_through(name, items, tmp_path)
    assert found == items
    assert not losses


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("second", FORMATS)
@pytest.mark.parametrize("first", FORMATS)
def test_whatever_changes_on_the_way_is_named(tmp_path, first, second, seed):
    """Of two formats in turn; equal documents again wherever no loss is named."""
    rng = random.Random(1000 + seed)
    items = []
    for number in range(rng.randint(1, 3)):
        text = _text(rng, PLAIN + "\n" * 3 * (seed % 2), 6)
        entities = _any_entities(rng, text) if seed % 3 else _flat_entities(rng, text)
        if seed % 5 == 0:
            entities = tuple(e._replace(score=0.5) for e in entities)
        identifier = number if seed % 7 == 0 else None
        items.append(Document(f"图{text}", entities, identifier))
    once, first_losses = _pass_through(first, items, tmp_path)
    assert once == items or first_losses
    twice, second_losses = _pass_through(second, once, tmp_path)
    assert twice == once or second_losses
    back, third_losses = _pass_through(first, twice, tmp_path)
    assert back == items or first_losses + second_losses + third_losses


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("name", TAGGED)
def test_columns_count_what_they_lose(tmp_path, name, seed):
    rng = random.Random(2000 + seed)
    text = _text(rng, PLAIN + "\n\n\n", 20) + "图"
    item = Document(text, _any_entities(rng, text), seed, {"k": 1})
    found, losses = _pass_through(name, [item], tmp_path)
    assert [d.text for d in found] == [line for line in text.split("\n") if line]
    assert losses[columns.LINE_BREAKS] == text.count("\n")
    assert losses[document.IDS] == losses[document.FIELDS] == 1
    lost = (document.EMPTY_ENTITIES, columns.ACROSS_LINES, columns.OVERLAPS)
    kept = sum(len(d.entities) for d in found)
    assert kept + sum(losses[what] for what in lost) == len(item.entities)
    starts = {}
    offset = 0
    for line in text.split("\n"):
        starts.setdefault(line, []).append(offset)
        offset += len(line) + 1
    for sentence in found:
        offset = starts[sentence.text].pop(0)
        for entity in sentence.entities:
            place = offset + entity.start, offset + entity.end
            named = {(e.type.replace(" ", "_"), e.start, e.end) for e in item.entities}
            assert (entity.type, *place) in named


@pytest.mark.parametrize("name", ["predictions", "label_studio"])
def test_scores_survive_where_there_is_a_place_for_them(tmp_path, name):
    items = [Document("图像", (Entity("A", 0, 1, 0.25), Entity("A", 1, 2, 1.0)))]
    assert _pass_through(name, items, tmp_path) == (items, {})

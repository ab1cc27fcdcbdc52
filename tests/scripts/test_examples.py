"""The bundled data are what examples/README.md says."""

from __future__ import annotations

import pytest

from albert.tasks.ner.conll import read_conll
from albert.tasks.ner.entities import read_default
from albert.tasks.ner.tag_schemes import count_illegal, find_scheme

LABELS = {"Method", "Task", "Material", "Evaluation"}


def read_documents(path):
    return [d.split("\n") for d in path.read_text("utf-8").strip().split("\n\n")]


@pytest.mark.parametrize(
    ("name", "documents", "sentences", "characters"),
    [("corpus.txt", 153, 646, 19388), ("corpus_eval.txt", 17, 70, 2136)],
)
def test_corpus_is_as_large_as_its_readme_says(
    repo, name, documents, sentences, characters
):
    found = read_documents(repo / "examples" / name)
    lines = [line for document in found for line in document]
    assert (len(found), len(lines), sum(map(len, lines))) == (
        documents,
        sentences,
        characters,
    )
    assert all(3 <= len(document) <= 8 for document in found)
    assert len(set(lines)) == len(lines)


@pytest.mark.parametrize(
    ("split", "sentences", "entities"),
    [("train", 204, 534), ("val", 35, 100), ("test", 35, 97)],
)
def test_ner_set_is_legal_and_has_every_label(repo, split, sentences, entities):
    found = read_conll(str(repo / f"examples/ner/{split}.conll")).sentences
    tags = [sentence.tags for sentence in found]
    assert len(found) == sentences
    assert sum(tag.startswith("B-") for row in tags for tag in row) == entities
    assert {tag[2:] for row in tags for tag in row if tag != "O"} == LABELS
    assert all(len(column) == 1 for s in found for column in s.columns)
    assert sum(count_illegal(row, find_scheme("BIO")) for row in tags) == 0


def test_no_sentence_is_in_two_places(repo):
    texts = []
    for split in ("train", "val", "test"):
        found = read_conll(str(repo / f"examples/ner/{split}.conll")).sentences
        texts += ["".join(sentence.columns) for sentence in found]
    assert len(set(texts)) == len(texts)
    held_out = {x for d in read_documents(repo / "examples/corpus_eval.txt") for x in d}
    trained = {x for d in read_documents(repo / "examples/corpus.txt") for x in d}
    assert not held_out & trained
    assert not trained & set(texts)


def read_entities(repo, split):
    """Return (text, {(type, start, end)}) of each sentence."""
    found = read_conll(str(repo / f"examples/ner/{split}.conll")).sentences
    return [
        ("".join(s.columns), {tuple(e) for e in read_default(s.tags)}) for s in found
    ]


def look_up(text, types):
    """Return the entities of a text by longest match from the left."""
    found, start, longest = set(), 0, max(map(len, types))
    while start < len(text):
        ends = range(min(start + longest, len(text)), start, -1)
        end = next((end for end in ends if text[start:end] in types), None)
        if end is not None:
            found.add((types[text[start:end]], start, end))
        start = end or start + 1
    return found


@pytest.mark.parametrize(
    ("split", "right", "found", "entities"),
    [("val", 87, 87, 100), ("test", 83, 84, 97)],
)
def test_looking_up_training_entities_finds_what_the_readme_says(
    repo, split, right, found, entities
):
    types = {
        text[start:end]: kind
        for text, spans in read_entities(repo, "train")
        for kind, start, end in spans
    }
    pairs = [(look_up(t, types), gold) for t, gold in read_entities(repo, split)]
    assert sum(len(mine & gold) for mine, gold in pairs) == right
    assert sum(len(mine) for mine, _ in pairs) == found
    assert sum(len(gold) for _, gold in pairs) == entities

"""Predictions from a model folder: entities, places, probabilities, terms."""

from __future__ import annotations

import concurrent.futures
import itertools
import json
import os
import random
import shutil

import numpy as np
import pytest

from albert.base.errors import UserError
from albert.serving import model_session
from albert.serving.predictor import Predictor
from albert.tasks.ner.entities import read_strict
from albert.tasks.ner.tag_schemes import find_scheme
from tests.modeling.crf_reference import viterbi
from tests.serving.conftest import CHARACTERS, write_model


@pytest.fixture(scope="module")
def predictor(model_dir):
    return Predictor(model_dir, batch_size=4)


def random_texts(count, longest=60, seed=1):
    rng = random.Random(seed)
    letters = CHARACTERS + " \n龘"
    return [
        "".join(rng.choices(letters, k=rng.randint(0, longest))) for _ in range(count)
    ]


def test_entities_stand_where_they_say_and_never_overlap(predictor):
    texts = random_texts(40)
    found = 0
    for text, result in zip(texts, predictor.predict(texts)):
        assert result["text"] == text
        end = 0
        for entity in result["entities"]:
            assert text[entity["start"] : entity["end"]] == entity["surface"]
            assert end <= entity["start"] < entity["end"]
            assert 0.0 <= entity["score"] <= 1.0
            assert entity["type"] in ("A", "B")
            end = entity["end"]
            found += 1
    assert found > 40


def test_products_in_bfloat16_change_little(predictor, model_dir):
    texts = random_texts(20, seed=8)
    coarse = Predictor(model_dir, precision="bfloat16")
    both = [model.predict(texts) for model in (predictor, coarse)]
    scores = [
        {
            (number, e["type"], e["start"], e["end"]): e["score"]
            for number, result in enumerate(results)
            for e in result["entities"]
        }
        for results in both
    ]
    same = scores[0].keys() & scores[1].keys()
    assert len(same) > 0.9 * len(scores[0])
    differences = [abs(scores[0][key] - scores[1][key]) for key in same]
    assert 0 < max(differences) < 0.1


def test_bfloat16_computes_from_constants_what_variables_give(model_dir, monkeypatch):
    """Which is faster, and says nothing to a training in the same process."""
    texts = random_texts(20, seed=9)
    frozen = Predictor(model_dir, precision="bfloat16")
    monkeypatch.setattr(model_session, "_MOST_CONSTANTS", 0)
    varied = Predictor(model_dir, precision="bfloat16")
    kinds = [
        {op.type for op in model._session._session.graph.get_operations()}
        for model in (frozen, varied)
    ]
    assert "VarHandleOp" in kinds[1] - kinds[0]
    assert frozen.predict(texts) == varied.predict(texts)
    assert "TF_ONEDNN_ASSUME_FROZEN_WEIGHTS" not in os.environ


def emissions_of(predictor, columns):
    """Return emissions and transitions of a short sentence, straight from the graph."""
    ids = predictor.task.tokenizer.vocabulary.ids
    row = [ids["[CLS]"], *(ids.get(c, ids["[UNK]"]) for c in columns), ids["[SEP]"]]
    output = predictor._session.run(
        {
            "input_ids": np.array([row]),
            "input_mask": np.ones([1, len(row)]),
            "length": np.array([len(columns)]),
            "offset": np.array([1]),
            "sentence": np.array([0]),
        }
    )
    return output["emissions"][0], output["transitions"][0]


def test_scores_are_the_share_of_all_label_sequences_with_the_entity(predictor):
    columns = "支持向量"
    emissions, transitions = emissions_of(predictor, columns)
    labels = predictor.task.labels.labels
    legal = predictor.task.labels.legal_transitions()
    scheme, weights = find_scheme("BIO"), {}
    for path in itertools.product(range(len(labels)), repeat=len(columns)):
        steps = list(zip(path, path[1:]))
        if legal[0, path[0]] and all(legal[a, b] for a, b in steps):
            score = sum(emissions[t, y] for t, y in enumerate(path))
            score += sum(transitions[a, b] for a, b in steps)
            weights[path] = np.exp(score)
    (result,) = predictor.predict([columns])
    best = [labels[i] for i in viterbi(emissions, transitions, legal)]
    expected = {}
    for span in read_strict(best, scheme):
        holding = sum(
            weight
            for path, weight in weights.items()
            if span in read_strict([labels[i] for i in path], scheme)
        )
        expected[span.start, span.end, span.type] = holding / sum(weights.values())
    found = {(e["start"], e["end"], e["type"]): e["score"] for e in result["entities"]}
    assert found.keys() == expected.keys()
    assert found
    for key, score in found.items():
        assert score == pytest.approx(expected[key], abs=2e-6)


def test_a_text_is_labelled_alike_whatever_else_is_in_the_batch(model_dir, predictor):
    texts = random_texts(17, seed=3)
    single = Predictor(model_dir, batch_size=1)
    for together, text in zip(predictor.predict(texts), texts):
        (alone,) = single.predict([text])
        keys = ("start", "end", "type")
        assert [[e[k] for k in keys] for e in alone["entities"]] == [
            [e[k] for k in keys] for e in together["entities"]
        ]
        for a, b in zip(alone["entities"], together["entities"]):
            assert a["score"] == pytest.approx(b["score"], abs=1e-4)


def test_threads_share_a_predictor(predictor):
    texts = random_texts(24, seed=8)
    expected = [predictor.predict([text])[0] for text in texts]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: predictor.predict([text])[0], texts))
    assert found == expected


def test_sentences_of_a_document_keep_the_places_of_the_document(predictor):
    parts = ["支持向量机做图像。", "\n", " 图像分类的方法！", "用ab1支持向量"]
    whole = "".join(parts)
    (result,) = predictor.predict([whole])
    expected, offset = [], 0
    for part in parts:
        for entity in predictor.predict([part])[0]["entities"]:
            moved = (entity["start"] + offset, entity["end"] + offset, entity["type"])
            expected.append(moved)
        offset += len(part)
    found = [(e["start"], e["end"], e["type"]) for e in result["entities"]]
    assert found == expected
    assert expected


def test_min_score_leaves_out_what_is_less_probable(predictor):
    texts = random_texts(30, seed=5)
    everything = [e for r in predictor.predict(texts) for e in r["entities"]]
    border = sorted(e["score"] for e in everything)[len(everything) // 2]
    kept = [e for r in predictor.predict(texts, border) for e in r["entities"]]
    assert kept == [e for e in everything if e["score"] >= border]
    assert 0 < len(kept) < len(everything)


@pytest.mark.parametrize("scheme", ["BIO", "BMES"])
def test_terms_of_the_user_are_entities_and_forbidden_ones_are_not(tmp_path, scheme):
    folder = str(write_model(tmp_path / "model", scheme=scheme))
    text = "用支持向量机做图像分类的方法。"
    free = Predictor(folder).predict([text])[0]["entities"]
    assert free
    terms = tmp_path / "terms.txt"
    surface = next(e["surface"] for e in free if e["surface"] not in "图像分类的")
    terms.write_text(
        f"# ours\n图像\tA\n图像分类\tB\n\n{surface}\t-\n", encoding="utf-8"
    )
    (result,) = Predictor(folder, dictionary=str(terms)).predict([text])
    found = {(e["surface"], e["type"]): e for e in result["entities"]}
    assert ("图像分类", "B") in found
    assert found["图像分类", "B"]["source"] == "dictionary"
    assert found["图像分类", "B"]["score"] == 1.0
    assert surface not in {e["surface"] for e in result["entities"]}


def test_a_term_with_a_mark_that_ends_sentences_is_found(model_dir, tmp_path):
    """Of two parts each, and a bracket that closes before the second begins."""
    (tmp_path / "terms").write_text("用!做\tA\n”支！！\tB\n方！”法\t-\n", "utf-8")
    predictor = Predictor(model_dir, dictionary=str(tmp_path / "terms"))
    text = "图用!做像！”支！！做。方！”法!做"
    entities = predictor.predict([text])[0]["entities"]
    forced = [e["surface"] for e in entities if "source" in e]
    assert forced == ["用!做", "”支！！"]
    (sentences,) = predictor.of_task.label_texts([text])
    assert ["".join(s.sentence.columns) for s in sentences] == [
        *("图用!做像！”支！！", "做。", "方！”", "法!", "做")
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("支持\n", "line 1 must be a term, a tab and a type"),
        ("支持\tC\n", "the type 'C'; the model knows A, B"),
        ("支持\tA\n支持\tB\n", "line 2: '支持' is A above and B here"),
        ("支 持\tA\n", "line 1: '支 持' holds white space"),
    ],
)
def test_wrong_terms_are_one_line(model_dir, tmp_path, content, message):
    path = tmp_path / "terms.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        Predictor(model_dir, dictionary=str(path))


def test_a_softmax_head_reads_entities_from_the_likeliest_labels(tmp_path):
    folder = write_model(tmp_path / "model", head="softmax", seed=8)
    predictor = Predictor(str(folder))
    texts = [c + d for c in CHARACTERS[:15] for d in CHARACTERS[:15]]
    results = predictor.predict(texts)
    scores = [e["score"] for r in results for e in r["entities"]]
    assert scores
    assert all(0 < score <= 1 for score in scores)


def test_latin_words_are_columns_where_the_training_data_have_them_so(tmp_path):
    folder = write_model(tmp_path / "model", latin_columns="words")
    predictor = Predictor(str(folder))
    rng = random.Random(0)
    texts = [
        "".join(rng.choices(["支", "ab", "向", "a1b", "，"], k=12)) for _ in range(20)
    ]
    for text, result in zip(texts, predictor.predict(texts)):
        for entity in result["entities"]:
            for edge in (entity["start"], entity["end"]):
                inside = text[max(0, edge - 1) : edge + 1]
                assert not (len(inside) == 2 and inside.isascii() and inside.isalnum())


def test_tags_of_columns_are_those_of_the_entities(predictor):
    text = "用支持向量机做图像分类的方法。"
    (tags,) = predictor.tag([list(text)])
    spans = [(s.start, s.end, s.type) for s in read_strict(tags, find_scheme("BIO"))]
    entities = predictor.predict([text])[0]["entities"]
    assert [(e["start"], e["end"], e["type"]) for e in entities] == spans


def test_a_sentence_without_columns_has_no_tags(predictor):
    columns = ["用", "支"]
    assert predictor.tag([[], columns, []]) == [[], *predictor.tag([columns]), []]
    assert predictor.tag([[]]) == [[]]
    assert predictor.tag([]) == []


def test_a_model_says_what_it_is(predictor):
    value = json.loads(json.dumps(predictor.describe()))
    assert value["task"] == "ner"
    assert value["types"] == ["A", "B"]
    assert value["global_step"] == 7
    assert value["encoder"]["hidden_size"] == 16


def test_a_model_says_what_it_is_when_its_checkpoint_is_gone(model_dir, tmp_path):
    """A training that goes on removes it while a service lasts."""
    folder = tmp_path / "model"
    shutil.copytree(model_dir, folder)
    predictor = Predictor(str(folder))
    told = predictor.describe()
    remove_checkpoint(folder)
    assert predictor.describe() == told
    assert (told["checkpoint"], told["global_step"]) == ("model.ckpt-7", 7)


def break_labels(folder):
    (folder / "labels.json").write_text('{"task": "poetry"}')


def remove_labels(folder):
    (folder / "labels.json").unlink()


def remove_checkpoint(folder):
    for path in folder.glob("model.ckpt*"):
        path.unlink()


def change_vocabulary(folder):
    path = folder / "vocab.txt"
    path.write_text(path.read_text("utf-8").replace("用", "龙"), "utf-8")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_labels, "names the unknown task 'poetry'"),
        (remove_labels, "holds no trained model: its checkpoint is an encoder from"),
        (remove_checkpoint, "holds no trained model: it has labels.json, but no"),
        (change_vocabulary, "do not belong together"),
    ],
)
def test_a_wrong_folder_is_one_line(model_dir, tmp_path, damage, message):
    folder = tmp_path / "model"
    shutil.copytree(model_dir, folder)
    damage(folder)
    with pytest.raises(UserError, match=message):
        Predictor(str(folder))

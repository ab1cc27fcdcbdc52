"""Samples of questions that share no passage."""

from __future__ import annotations

import json

import pytest

from albert.base.errors import UserError
from experiments.cut_squad import CutConfig, run


def make_file(path, sizes):
    """Two documents; passage i has sizes[i] questions."""
    passages = []
    for i, size in enumerate(sizes):
        answers = [{"text": "文", "answer_start": 0}]
        qas = [
            {"id": f"{i}_{j}", "question": "?", "answers": answers} for j in range(size)
        ]
        passages.append({"context": f"文{i}", "qas": qas})
    documents = [{"paragraphs": passages[:2]}, {"paragraphs": passages[2:]}]
    path.write_text(json.dumps({"version": "v", "data": documents}))
    return str(path)


def test_samples_that_skip_each_other_share_no_passage(tmp_path):
    # The passages' first questions are 0, 3, 5, 7 and 8, counted from 0.
    source = make_file(tmp_path / "all.json", [3, 2, 2, 1, 2])
    taken = []
    for skip, questions in ((0, 4), (4, 3), (7, 3)):
        output = tmp_path / f"{skip}.json"
        run(CutConfig(source, str(output), questions=questions, skip=skip))
        value = json.loads(output.read_text(encoding="utf-8"))
        assert value["version"] == "v"
        taken.append([d["paragraphs"][0]["context"] for d in value["data"]])
    # The second has two of the three it asks for: passage 1 took the first of them.
    assert taken == [["文0", "文1"], ["文2"], ["文3", "文4"]]


def test_too_few_questions_are_one_line(tmp_path):
    source = make_file(tmp_path / "all.json", [2, 3, 1])
    output = str(tmp_path / "out.json")
    with pytest.raises(
        UserError, match="are 6 questions, asked are 3 after the fi.* 4"
    ):
        run(CutConfig(source, output, questions=3, skip=4))
    with pytest.raises(UserError, match="no passage begins among the 2 questions af"):
        run(CutConfig(source, output, questions=2, skip=3))

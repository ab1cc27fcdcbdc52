"""The linear CRF over character n-grams."""

from __future__ import annotations

import pytest

from albert.base.errors import UserError
from experiments import arms, ngram_crf
from experiments.crf_config import CrfConfig


def test_features_are_the_ngrams_around_each_character():
    found = list(ngram_crf.ngram_features("A经网络"))
    assert len(found) == 4
    # Lower-cased; of the second character, two before and two behind it.
    assert {"-1=a", "0=经", "1=网", "2=络", "-2=\n"} <= set(found[1])
    assert {"-1_0=a经", "0_1=经网", "-1_0_1=a经网", "0_1_2=经网络"} <= set(found[1])
    # Seven single ones, six pairs, three of three, and the two neighbours.
    assert {"-1_1=a网", "3=\n"} <= set(found[1])
    assert len(found[1]) == 17


@pytest.fixture
def data_dir(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    # An entity is what follows 用; the characters around it are ever new.
    for name, start in (("train", 0), ("test", 500)):
        blocks = [
            f"{chr(0x4E00 + start + i)} O\n用 O\n{chr(0x5E00 + start + i)} B-A\n的 O\n"
            for i in range(40)
        ]
        (folder / f"{name}.conll").write_text("\n".join(blocks), encoding="utf-8")
    return folder


def test_what_stands_before_an_entity_is_learned_and_scored(data_dir, tmp_path):
    pytest.importorskip("pycrfsuite")
    config = CrfConfig(str(data_dir), str(tmp_path / "crf"))
    ngram_crf.run(config)
    results = (tmp_path / "crf/eval_results.txt").read_text()
    assert "eval_f = 1.0\n" in results
    predicted = (tmp_path / "crf/predictions_test.conll").read_text(encoding="utf-8")
    assert predicted.splitlines()[2].split()[1:] == ["B-A", "B-A"]


def test_the_driver_reads_its_results(data_dir, tmp_path, monkeypatch):
    pytest.importorskip("pycrfsuite")
    (tmp_path / "experiment.json").write_text(
        '{"arms": {"crf": {"program": "ngram_crf", "l2": 0.2}}, "seeds": [1, 2],'
        f'"sets": {{"toy": {{"data_dir": "{data_dir}"}}}}}}'
    )

    def run_command(command, log_file):
        assert command[1:3] == ["-m", "experiments.ngram_crf"]
        flags = dict(word[2:].split("=") for word in command[3:])
        assert flags.pop("l2") == "0.2"
        ngram_crf.run(CrfConfig(**flags))
        return 0

    monkeypatch.setattr(arms, "run_command", run_command)
    out = tmp_path / "out"
    arms.run_experiment(arms.DriverConfig(str(tmp_path / "experiment.json"), str(out)))
    table = (out / "results.md").read_text(encoding="utf-8")
    assert "| toy, crf | 100.0 | 100.0 | 100.0 | 0.0 | 100.0 | 1 |" in table


def test_a_missing_test_file_is_one_line(data_dir, tmp_path):
    (data_dir / "test.conll").unlink()
    with pytest.raises(UserError, match="holds no test file"):
        ngram_crf.run(CrfConfig(str(data_dir), str(tmp_path / "crf")))

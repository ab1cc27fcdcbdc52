"""Say what NER predictions get wrong, or which of two prediction files is better.

Of a file that run_ner.py writes the last column, the predicted tags, is read.

python3 tools/evaluate_ner.py --gold_file=data/test.conll \
    --train_file=data/train.conll --prediction_file=my_model/predictions_test.conll
python3 tools/evaluate_ner.py --gold_file=data/test.conll --compare a.conll b.conll
"""

from __future__ import annotations

from albert.base import cli, files
from albert.tasks.ner.analysis import report, text
from albert.tasks.ner.analysis.compare import compare
from albert.tasks.ner.analysis.config import AnalysisConfig
from albert.tasks.ner.analysis.pairs import read_predictions

cli.define_flags(AnalysisConfig)


def main(words: list[str]) -> None:
    """Read the files, compare, print and write what is found."""
    config = cli.read_flags(AnalysisConfig, words)
    if config.output_file:
        files.check_output_file(config.output_file, "output_file")
    read = read_predictions(
        config.gold_file,
        config.compare or [config.prediction_file],
        config.reading,
        config.train_file,
    )
    if config.compare:
        result = compare(*read.pairs, config.samples, config.random_seed)
        print(text.format_comparison(config.compare, result))
        value = {**result._asdict(), "difference": result.difference}
    else:
        analysis = report.analyse(read.pairs[0], read.training)
        print(text.format_analysis(analysis, config.examples))
        value = report.to_json(analysis)
    if config.output_file:
        files.write_json(config.output_file, value)


if __name__ == "__main__":
    cli.run_main(main)

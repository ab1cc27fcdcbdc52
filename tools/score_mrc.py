"""Score answers to the questions of CMRC 2018 or DRCD by the official rules.

python3 tools/score_mrc.py --data_file=data/dev.json \
    --prediction_file=my_model/predictions_val.json
"""

from __future__ import annotations

import json
import sys

from albert.base import cli, files
from albert.tasks.mrc.scores import score_predictions
from albert.tasks.mrc.scoring import (
    ScoreConfig,
    list_questions,
    official_form,
    read_predictions,
)
from albert.tasks.mrc.squad import read_squad

cli.define_flags(ScoreConfig)


def main(arguments: list[str]) -> None:
    """Read the files, compare, print and write what is found."""
    cli.refuse_extra_arguments(arguments)
    config = cli.read_flags(ScoreConfig)
    if config.output_file:
        files.check_output_file(config.output_file, "output_file")
    data = read_squad(config.data_file)
    predictions = read_predictions(config.prediction_file)
    scores = score_predictions(data, predictions)
    for name in scores.skipped:
        print(f"no answer to {name}", file=sys.stderr)
    result = official_form(scores, config.prediction_file)
    print(json.dumps(result, ensure_ascii=False))
    if config.output_file:
        rows = list_questions(data, predictions)
        files.write_json(config.output_file, {**result, "questions": rows})


if __name__ == "__main__":
    cli.run_main(main)

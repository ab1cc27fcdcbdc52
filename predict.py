"""Label texts with a trained model: entities, labels, answers to questions.

Example:
    python3 predict.py --model_dir=ner_model --input_file=texts.txt \
      --output_file=entities.jsonl
    echo 本文使用支持向量机进行图像分类。 | python3 predict.py --model_dir=ner_model

The model's folder says the task. A result stands for each text, in the order of the
input. A run that was stopped goes on with the same command and --resume.
"""

from __future__ import annotations

from albert.base import cli
from albert.base.signals import Terminated
from albert.base.standard_output import end_without_reader, take_standard_output
from albert.serving.prediction import predict_files
from albert.serving.prediction_config import PredictionConfig

cli.define_flags(PredictionConfig)


def main(words: list[str]) -> None:
    """Turn flags into a config and run."""
    config = cli.read_flags(PredictionConfig, words)
    stdout = take_standard_output() if config.output_file is None else None
    try:
        predict_files(config, stdout)
    except BrokenPipeError:
        end_without_reader()
    except (Terminated, KeyboardInterrupt) as stop:
        reason = "SIGTERM" if isinstance(stop, Terminated) else "SIGINT"
        cli.end_stopped(reason, _say_stopped(reason, config))


def _say_stopped(reason: str, config: PredictionConfig) -> str:
    if config.output_file is None:
        return f"Stopped by {reason}."
    more = "" if config.resume else " --resume"
    return f"Stopped by {reason}. To go on: {cli.command_line()}{more}"


if __name__ == "__main__":
    cli.run_main(main)

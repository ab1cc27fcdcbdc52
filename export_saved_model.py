"""Export a trained model as a SavedModel, and for TensorFlow Lite.

Example:
    python3 export_saved_model.py --model_dir=ner_model --output_dir=ner_graph \
      --tflite=float32,int8

The graph takes texts, or token ids, and gives entities with their probabilities; what
opens it needs TensorFlow alone.
"""

from __future__ import annotations

from albert.base import cli
from albert.serving.export_config import SavedModelConfig

cli.define_flags(SavedModelConfig)


def main(words: list[str]) -> None:
    """Export the model that the flags name."""
    config = cli.read_flags(SavedModelConfig, words)
    from albert.serving.saved_model import export_saved_model  # slow: flags come first

    names = export_saved_model(config)
    print(f"{config.model_dir} -> {config.output_dir}: {', '.join(names)}")


if __name__ == "__main__":
    cli.run_main(main)

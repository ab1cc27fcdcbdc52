"""What is exported as a graph that answers by itself."""

from __future__ import annotations

import dataclasses

from albert.base.settings import (
    ANY_PATH,
    INPUT_FOLDER,
    REQUIRED,
    Settings,
    setting,
)

FLOAT32, INT8 = "float32", "int8"  # of the weights of a TFLite model


@dataclasses.dataclass(frozen=True)
class SavedModelConfig(Settings):
    """The flags of `export_saved_model.py`."""

    model_dir: str = setting(
        REQUIRED, "The folder of a trained model.", path=INPUT_FOLDER
    )
    output_dir: str = setting(
        REQUIRED, "The folder to make; it appears whole.", path=ANY_PATH
    )
    tflite: tuple[str, ...] = setting(
        (),
        "TensorFlow Lite models to make too, by the type of their weights: float32, "
        "int8 (dynamic range), or both.",
        choices=(FLOAT32, INT8),
    )
    overwrite: bool = setting(False, "Replace --output_dir where it is an export.")

"""The settings of the linear CRF over character n-grams."""

from __future__ import annotations

import dataclasses

from albert.base.settings import (
    ANY_PATH,
    INPUT_FOLDER,
    REQUIRED,
    Settings,
    at_least,
    setting,
)


@dataclasses.dataclass(frozen=True)
class CrfConfig(Settings):
    """What a CRF is trained on, and how."""

    data_dir: str = setting(
        REQUIRED, "The folder of the train and test files.", path=INPUT_FOLDER
    )
    output_dir: str = setting(
        REQUIRED, "Where scores and predictions go.", path=ANY_PATH
    )
    l1: float = setting(
        0.1, "Factor of the sum of the weights' sizes.", check=at_least(0)
    )
    l2: float = setting(
        0.1, "Factor of the sum of the weights' squares.", check=at_least(0)
    )
    max_iterations: int = setting(
        100, "Iterations of L-BFGS, at most.", check=at_least(1)
    )

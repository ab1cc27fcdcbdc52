"""Seeds that NumPy or TensorFlow would refuse are refused by name."""

from __future__ import annotations

import pytest

from albert.base.errors import UserError
from albert.base.settings import check_setting, list_settings
from albert.pretraining_data.config import PretrainingDataConfig
from albert.tasks.finetuning_config import FineTuningConfig
from albert.tasks.ner.analysis.config import AnalysisConfig
from albert.text.config import VectorTrainingConfig
from albert.training.config import TrainingConfig

CLASSES = [
    AnalysisConfig,
    FineTuningConfig,
    PretrainingDataConfig,
    TrainingConfig,
    VectorTrainingConfig,
]


@pytest.mark.parametrize("config", CLASSES)
def test_seeds_lie_between_0_and_what_31_bits_hold(config):
    (seed,) = (s for s in list_settings(config) if s.name == "random_seed")
    for right in (0, 2_147_483_647):
        check_setting(seed, right)
    for wrong in (-1, 2_147_483_648, 2**60):
        with pytest.raises(UserError, match="random_seed must be at least 0 and at"):
            check_setting(seed, wrong)

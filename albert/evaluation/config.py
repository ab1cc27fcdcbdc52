"""How often held-out data are evaluated while training runs, and what follows."""

from __future__ import annotations

import dataclasses
from typing import Optional

from albert.base.errors import UserError
from albert.base.settings import (
    ANY_PATH,
    INPUT_FOLDER,
    REQUIRED,
    Settings,
    at_least,
    setting,
)


@dataclasses.dataclass(frozen=True)
class HeldOutConfig(Settings):
    """Evaluation on held-out examples while training runs."""

    eval_every_steps: Optional[int] = setting(
        None,
        "Steps between evaluations on held-out examples while training runs. Default: "
        "none.",
        check=at_least(1),
    )
    keep_best_checkpoints: int = setting(
        1,
        "Checkpoints with the lowest held-out loss kept in <output_dir>/best, where "
        "--eval_every_steps is given.",
        check=at_least(1),
    )
    early_stopping_patience: Optional[int] = setting(
        None,
        "Evaluations in a row without a lower held-out loss after which training ends. "
        "Default: it never does.",
        check=at_least(1),
    )

    def validate(self) -> None:
        """Check that what acts on evaluations has some."""
        if self.early_stopping_patience is not None and self.eval_every_steps is None:
            raise UserError("early_stopping_patience needs eval_every_steps")


@dataclasses.dataclass(frozen=True)
class CurvesConfig(Settings):
    """The picture of a run's learning curves."""

    model_dir: str = setting(
        REQUIRED,
        "The model directory, with event files; the run may be going on.",
        path=INPUT_FOLDER,
    )
    output_file: Optional[str] = setting(
        None,
        "The picture to write. Default: training.png in --model_dir.",
        path=ANY_PATH,
    )
    title: Optional[str] = setting(
        None, "The picture's title. Default: the name of --model_dir."
    )

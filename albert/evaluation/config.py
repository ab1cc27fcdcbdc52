"""How often held-out data are evaluated while training runs, and what follows."""

from __future__ import annotations

import dataclasses
from typing import Optional

from albert.base.checks import check_range
from albert.base.errors import UserError


@dataclasses.dataclass(frozen=True)
class HeldOutConfig:
    """Evaluation on held-out records while training runs.

    Attributes:
        eval_every_steps: steps between evaluations; None for none.
        keep_best_checkpoints: how many checkpoints with the lowest loss are kept.
        early_stopping_patience: evaluations without a lower loss after which training
            ends; None for never.
    """

    eval_every_steps: Optional[int] = None
    keep_best_checkpoints: int = 1
    early_stopping_patience: Optional[int] = None

    def __post_init__(self) -> None:
        check_range("keep_best_checkpoints", self.keep_best_checkpoints, low=1)
        if self.early_stopping_patience is not None:
            patience = self.early_stopping_patience
            check_range("early_stopping_patience", patience, low=1)
            if self.eval_every_steps is None:
                raise UserError("early_stopping_patience needs eval_every_steps")
        if self.eval_every_steps is not None:
            check_range("eval_every_steps", self.eval_every_steps, low=1)

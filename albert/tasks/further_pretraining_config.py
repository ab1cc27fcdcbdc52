"""How a model goes on being pretrained on a task's own texts."""

from __future__ import annotations

import dataclasses

from albert.base.settings import Settings, above, at_least, setting

TEXTS = ("train", "train,dev", "train,dev,test")


@dataclasses.dataclass(frozen=True)
class FurtherPretraining(Settings):
    """How long to go on pretraining, and on which texts."""

    further_pretraining_steps: int = setting(
        0,
        "Before fine-tuning, go on pretraining (masked tokens) for so many steps on "
        "the task's own texts. 0 is none.",
        check=at_least(0),
    )
    further_pretraining_texts: str = setting(
        "train",
        "Whose texts, without their labels: train; train,dev; or train,dev,test. The "
        "results say so.",
        choices=TEXTS,
    )
    further_pretraining_learning_rate: float = setting(
        1e-4, "The peak of its learning rate, with AdamW.", check=above(0)
    )

"""A trained model in use: predictors, files of text, a service.

from albert.serving import Predictor
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from albert.serving.predictor import Predictor

__all__ = ["Predictor"]


def __getattr__(name: str) -> Any:
    """Import what takes TensorFlow only once it is asked for."""
    if name == "Predictor":
        from albert.serving.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Groups of variables with a learning rate of their own, as rules over names.

The first rule whose pattern is found in a variable's name gives the factor of its
learning rate; a variable that no rule matches has the factor 1. A factor of 0 freezes:
no gradient is computed and no slot made, but the variable stays in every checkpoint.
"""

from __future__ import annotations

import math
import re
from typing import Iterable, NamedTuple, Optional, Sequence

from albert.base.errors import UserError
from albert.modeling.config import EncoderConfig

# Embeddings, and their projection to the layers' width where it lies apart.
_EMBEDDINGS = "embeddings|encoder/embedding_hidden_mapping_in/"
_REST = "all others"  # the group of what no rule matches


class RateRule(NamedTuple):
    """A row of the table of rules.

    Attributes:
        pattern: a regular expression, searched for in the names of variables.
        factor: of the learning rate; 0 freezes.
        name: of the group, for the log; the pattern where it is empty.
    """

    pattern: str
    factor: float
    name: str = ""


class RateGroup(NamedTuple):
    """The variables that a rule applies to.

    Attributes:
        name: of the rule.
        factor: of their learning rate.
        variables: their names.
    """

    name: str
    factor: float
    variables: tuple[str, ...]


def check_rules(rules: Sequence[RateRule]) -> None:
    """Raise UserError for a factor below 0 or not finite, or for no pattern."""
    for rule in rules:
        if not (math.isfinite(rule.factor) and rule.factor >= 0):
            raise UserError(
                f"the learning rate's factor for {rule.name or rule.pattern} must be "
                f"finite and at least 0, got {rule.factor}"
            )
        try:
            re.compile(rule.pattern)
        except re.error as error:
            raise UserError(
                f"{rule.pattern!r} is not a regular expression: {error}"
            ) from error


def _matching_rule(name: str, rules: Sequence[RateRule]) -> Optional[RateRule]:
    return next((rule for rule in rules if re.search(rule.pattern, name)), None)


def factor_of(name: str, rules: Sequence[RateRule]) -> float:
    """Return the factor of a variable's learning rate, 0 where it is frozen."""
    rule = _matching_rule(name, rules)
    return 1.0 if rule is None else rule.factor


def group_variables(names: Iterable[str], rules: Sequence[RateRule]) -> list[RateGroup]:
    """Return the groups that rules make of variables, in the order of the rules.

    Rules that no variable is left for make no group.
    """
    members: dict[Optional[RateRule], list[str]] = {rule: [] for rule in rules}
    members[None] = []
    for name in names:
        members[_matching_rule(name, rules)].append(name)
    return [
        RateGroup(
            _REST if rule is None else rule.name or rule.pattern,
            1.0 if rule is None else rule.factor,
            tuple(found),
        )
        for rule, found in members.items()
        if found
    ]


def list_groups(
    names: Iterable[str], trained: Iterable[str], rules: Sequence[RateRule]
) -> list[RateGroup]:
    """Return the groups of what is trained, and of what the rules freeze.

    Args:
        names: of all variables.
        trained: of those that get a gradient.
    """
    updated = set(trained)
    return group_variables(
        [n for n in names if n in updated or factor_of(n, rules) == 0.0], rules
    )


def describe_group(group: RateGroup, learning_rate: float) -> str:
    """Return a line on a group for the log."""
    count = f"{len(group.variables)} variable{'s' if len(group.variables) > 1 else ''}"
    if group.factor == 0:
        return f"{group.name}: frozen ({count})"
    rate = learning_rate * group.factor
    return (
        f"{group.name}: learning rate {rate:.3g}, factor {group.factor:.3g} ({count})"
    )


def layerwise_rules(
    config: EncoderConfig, decay: float = 1.0, head_factor: float = 1.0
) -> tuple[RateRule, ...]:
    """Return rules that give lower layers of an encoder a lower learning rate.

    Clark et al., "ELECTRA" (2020), section 3 and appendix B, as their code computes it:
    of n layers, layer i (from 0) has the factor decay^(n + 1 - i), so that the topmost
    has decay^2; the embeddings have decay^(n + 2). A pooler, which ELECTRA lacks, lies
    above the layers and has decay. What several layers share has the factor of the
    topmost, and layers that share all their variables count as one: then embeddings
    have decay^3.

    Args:
        config: of the encoder.
        decay: in (0, 1]; 1 for no decay.
        head_factor: of all that lies outside of the encoder.

    Returns:
        The rules, or none where every factor is 1.

    Raises:
        UserError: decay or head_factor is out of range.
    """
    if not 0 < decay <= 1:
        raise UserError(
            f"layerwise_lr_decay must be above 0 and at most 1, got {decay}"
        )
    if decay == head_factor == 1:
        return ()
    scope = re.escape(config.scope)
    head = RateRule("", head_factor, "head")
    if decay == 1:
        rules = (RateRule(f"^{scope}/", 1.0, "encoder"), head)
        check_rules(rules)
        return rules
    count = len(config.layer_scopes)
    layers = [
        RateRule(
            f"^{scope}/encoder/{re.escape(layer)}/",
            decay ** (count + 1 - index),
            layer,
        )
        for index, layer in enumerate(config.layer_scopes)
    ]
    rules = (
        RateRule(f"^{scope}/({_EMBEDDINGS})", decay ** (count + 2), "embeddings"),
        *layers,
        RateRule(f"^{scope}/encoder/", decay**2, "shared layers"),
        RateRule(f"^{scope}/", decay, "pooler"),
        head,
    )
    check_rules(rules)
    return rules

"""The objectives that there are records for, and who makes those of each."""

from __future__ import annotations

from albert.pretraining_data.config import RecordsConfig
from albert.pretraining_data.electra_maker import ElectraMaker
from albert.pretraining_data.masked_lm_maker import MaskedLmMaker
from albert.pretraining_data.record_maker import RecordMaker
from albert.records.features import ELECTRA, MASKED_LM

MAKERS: dict[str, type[RecordMaker]] = {
    MASKED_LM: MaskedLmMaker,
    ELECTRA: ElectraMaker,
}


def find_maker(config: RecordsConfig) -> type[RecordMaker]:
    """Return who makes the records that a config describes."""
    return MAKERS[config.objective]

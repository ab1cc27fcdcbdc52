"""Look through NER data before training: shared sentences, odd labels, lengths.

python3 tools/check_ner_data.py --data_dir=data
"""

from __future__ import annotations

from albert.base import cli
from albert.tasks.data_files import find_splits
from albert.tasks.ner.analysis import data_check
from albert.tasks.ner.analysis.config import DataCheckConfig
from albert.tasks.ner.conll import SUFFIXES, read_conll
from albert.tasks.ner.tag_schemes import detect_scheme

cli.define_flags(DataCheckConfig)


def main(words: list[str]) -> None:
    """Read the splits, look through them, print what is found."""
    config = cli.read_flags(DataCheckConfig, words)
    paths = find_splits(config.data_dir, SUFFIXES)
    order = [split for split in ("train", "val", "test") if split in paths]
    splits = {split: read_conll(paths[split]) for split in order}
    scheme = detect_scheme(
        tag
        for conll in splits.values()
        for sentence in conll.sentences
        for tag in sentence.tags
    )
    counts = {split: data_check.count_split(conll) for split, conll in splits.items()}
    print(f"tags are {scheme.name}")
    print(data_check.format_counts(counts))
    print()
    findings = data_check.check_splits(
        splits, scheme, config.max_seq_length, config.least_entities
    )
    print(data_check.format_findings(findings, config.examples))


if __name__ == "__main__":
    cli.run_main(main)

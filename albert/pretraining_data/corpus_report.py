"""What a corpus holds and what looks wrong in it, before anything is made of it."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections import Counter
from typing import Mapping, Sequence

from albert.base.progress import show_progress
from albert.pretraining_data import documents, sources
from albert.pretraining_data.config import PretrainingDataConfig
from albert.pretraining_data.documents import TextCounts
from albert.text.vocabulary import load_vocabulary

_SHARES = (0.5, 0.9, 0.99, 1.0)
_PARAGRAPH_TOKENS = 200  # a line that is so long and
_PARAGRAPH_SENTENCES = 3  # ... has so many sentences is none
_MANY = 0.1  # of the lines or documents
_DIGEST_BYTES = 12


@dataclasses.dataclass
class CorpusCounts:
    """What was read.

    Attributes:
        text: counts of documents, sentences and tokens.
        sentence_lengths, document_lengths: tokens -> how many have so many.
        duplicates: documents whose text was seen before.
        paragraphs: lines that look like several sentences.
    """

    text: TextCounts = dataclasses.field(default_factory=TextCounts)
    sentence_lengths: Counter = dataclasses.field(default_factory=Counter)
    document_lengths: Counter = dataclasses.field(default_factory=Counter)
    duplicates: int = 0
    paragraphs: int = 0


def find_quantiles(counter: Mapping[int, int]) -> list[int]:
    """Return the values that 50, 90, 99 and 100 % of what is counted do not exceed."""
    total, found, seen = sum(counter.values()), [], 0
    for value in sorted(counter):
        seen += counter[value]
        while len(found) < len(_SHARES) and seen >= _SHARES[len(found)] * total:
            found.append(value)
    return found


def count_corpus(config: PretrainingDataConfig) -> CorpusCounts:
    """Read the input and count.

    Raises:
        UserError: the input or the vocabulary is not as described.
    """
    vocabulary = load_vocabulary(config.vocab_file)
    whole = dataclasses.replace(config, non_chinese=True, jieba_user_dict=None)
    encoder = documents.DocumentEncoder(vocabulary, whole)  # words are not needed
    counts = CorpusCounts()
    seen: set[bytes] = set()
    size = sum(map(os.path.getsize, config.input_file))
    with show_progress("reading", size, "B") as advance:
        for text in sources.read_documents(
            config.input_file, config.text_field, advance
        ):
            digest = hashlib.sha256("\n".join(text).encode()).digest()[:_DIGEST_BYTES]
            counts.duplicates += digest in seen
            seen.add(digest)
            document, text_counts = encoder.encode(text)
            counts.text.add(text_counts)
            if document is not None:
                counts.sentence_lengths.update(document.sentence_lengths)
                counts.document_lengths[len(document.ids)] += 1
            counts.paragraphs += sum(map(_looks_like_paragraph, text))
    return counts


def _looks_like_paragraph(line: str) -> bool:
    if len(line) < _PARAGRAPH_TOKENS:
        return False
    return len(sources.split_sentences(line)) >= _PARAGRAPH_SENTENCES


def _describe_lengths(name: str, counter: Mapping[int, int]) -> str:
    half, most, nearly, longest = find_quantiles(counter)
    return (
        f"{name}: half have at most {half:,} tokens, 90 % at most {most:,}, 99 % at "
        f"most {nearly:,}, the longest {longest:,}"
    )


def find_problems(counts: CorpusCounts) -> list[str]:
    """Return what looks wrong, a sentence each."""
    text, problems = counts.text, []
    if not text.documents:
        return ["there is no text"]
    if text.documents == 1 and text.sentences > 1:
        problems.append("all is one document: no blank line stands between documents")
    if counts.paragraphs > _MANY * text.sentences:
        problems.append(
            f"{counts.paragraphs:,} lines look like paragraphs: write one sentence a "
            "line, or give JSON lines and --text_field"
        )
    if text.single_sentence_documents > _MANY * text.documents:
        problems.append(
            f"{text.single_sentence_documents:,} documents have one sentence only and "
            "give no instance: do blank lines stand between documents alone?"
        )
    if counts.duplicates > 0:
        problems.append(f"{counts.duplicates:,} documents stand there before")
    if text.unknown_tokens > _MANY * text.tokens:
        problems.append(
            "more than a tenth of the tokens are [UNK]: another vocabulary?"
        )
    return problems


def describe_corpus(counts: CorpusCounts) -> Sequence[str]:
    """Return the report, a line each."""
    text = counts.text
    lines = [
        f"{text.documents:,} documents, {text.sentences:,} sentences, {text.tokens:,} "
        f"tokens; {text.empty_documents:,} documents without any token"
    ]
    if text.documents:
        lines.append(_describe_lengths("sentences", counts.sentence_lengths))
        lines.append(_describe_lengths("documents", counts.document_lengths))
        share = text.unknown_tokens / text.tokens
        words = text.unknown_words.most_common(20)
        listed = ", ".join(f"{word[:60]} {count:,}" for word, count in words)
        lines.append(f"{share:.3%} of the tokens are [UNK]: {listed or 'none'}")
        lines.append(
            f"{text.truncated_sentences:,} sentences are longer than an instance and "
            "would be truncated"
        )
    lines.append(f"{counts.duplicates:,} duplicate documents")
    problems = find_problems(counts)
    return [*lines, *(f"looks wrong: {problem}" for problem in problems)]

"""From the text of a passage to tokens, from an answer to tokens and back.

Two ways, with one interface (no TensorFlow):

by offsets    the project's own: every token knows which characters it stands for. An
              answer is trained where `answer_start` says it is, and one that holds
              [UNK] is still cut from the original text.
by words      the reference's (google-research/electra, ymcui/Chinese-ELECTRA): a word
              is what stands between white space, so that a Chinese passage is one as a
              rule. An answer is looked for by its tokens, and an answer of the model by
              its text.
"""

from __future__ import annotations

import abc
import bisect
import re
from typing import NamedTuple, Optional

from albert.tasks.mrc.squad import Answer
from albert.text.tokenization import Tokenizer, split_words
from albert.text.vocabulary import CONTINUATION

_WORD = re.compile("[^ \t\r\n\u202f]+")  # what the reference splits at


class TokenSpan(NamedTuple):
    """Tokens of a passage, both ends included."""

    first: int
    last: int


class TextSpan(NamedTuple):
    """A part of a passage.

    Attributes:
        text: as it stands there.
        start, end: its characters [start, end); None where they are not known.
    """

    text: str
    start: Optional[int] = None
    end: Optional[int] = None


class PassageReader(abc.ABC):
    """A passage in tokens.

    Attributes:
        tokens: of the passage.
    """

    tokens: list[str]

    @abc.abstractmethod
    def find(self, answer: Answer) -> Optional[TokenSpan]:
        """Return the tokens of an answer, None where it cannot be trained on."""

    @abc.abstractmethod
    def cut(self, span: TokenSpan) -> TextSpan:
        """Return the text of tokens."""


def place_answer(passage: str, answer: Answer) -> Optional[int]:
    """Return where an answer begins: of its occurrences, the one nearest to its start.

    None where the passage does not hold it. Example: `place_answer("天上天下",
    Answer("天", 1))` is 0, of 0 and 2 the first.
    """
    if not answer.text:
        return None
    places = []
    place = passage.find(answer.text)
    while place != -1:
        places.append(place)
        place = passage.find(answer.text, place + 1)
    return min(places, key=lambda p: abs(p - answer.start), default=None)


class OffsetReader(PassageReader):
    """Tokens by the characters that they stand for."""

    def __init__(self, text: str, tokenizer: Tokenizer):
        """Keep the tokens of a passage."""
        located = tokenizer.tokenize_with_offsets(text)
        self.tokens = [token.text for token in located]
        self._text = text
        self._starts = [token.start for token in located]
        self._ends = [token.end for token in located]

    def find(self, answer: Answer) -> Optional[TokenSpan]:
        """See `PassageReader.find`: the tokens that hold a character of the answer."""
        place = place_answer(self._text, answer)
        if place is None:
            return None
        first = bisect.bisect_right(self._ends, place)
        last = bisect.bisect_left(self._starts, place + len(answer.text)) - 1
        return TokenSpan(first, last) if first <= last else None

    def cut(self, span: TokenSpan) -> TextSpan:
        """See `PassageReader.cut`."""
        start, end = self._starts[span.first], self._ends[span.last]
        return TextSpan(self._text[start:end], start, end)


def _without_spaces(text: str) -> tuple[str, list[int]]:
    """Return a text without spaces, and where each of its characters stood."""
    places = [index for index, character in enumerate(text) if character != " "]
    return "".join(text[index] for index in places), places


def align_text(predicted: str, original: str, do_lower_case: bool) -> str:
    """Return the part of a text that tokens joined by spaces stand for.

    The tokens are looked for, first occurrence, in the words of the text joined by
    spaces, and characters matched one to one. Where they are not found, as with [UNK],
    or the numbers of characters differ, it is the whole text. (ELECTRA.md, section 8.)

    Args:
        predicted: tokens joined by spaces, their pieces joined.
        original: what they were made of.
        do_lower_case: as for the tokens.
    """
    words = " ".join(split_words(original, do_lower_case))
    start = words.find(predicted)
    if start == -1:
        return original
    end = start + len(predicted) - 1
    bare_original, places = _without_spaces(original)
    bare_words, word_places = _without_spaces(words)
    if len(bare_original) != len(bare_words):
        return original
    number = {place: index for index, place in enumerate(word_places)}
    if start not in number or end not in number:
        return original
    return original[places[number[start]] : places[number[end]] + 1]


class WordReader(PassageReader):
    """Tokens by words between white space, as the reference has them.

    Attributes:
        words: of the passage.
        word_of_token: the word of each token.
    """

    def __init__(self, text: str, tokenizer: Tokenizer):
        """Keep the words and tokens of a passage."""
        self._tokenizer = tokenizer
        matches = list(_WORD.finditer(text))
        self.words = [match.group() for match in matches]
        self._word_starts = [match.start() for match in matches]
        self._length = len(text)
        self.tokens, self.word_of_token = [], []
        self._first_tokens = []  # of each word, and one past the last
        for index, word in enumerate(self.words):
            self._first_tokens.append(len(self.tokens))
            pieces = tokenizer.tokenize(word)
            self.tokens += pieces
            self.word_of_token += [index] * len(pieces)
        self._first_tokens.append(len(self.tokens))

    def find_words(self, answer: Answer) -> Optional[TokenSpan]:
        """Return the first and last word of an answer by its `answer_start`.

        None where it runs past the text, or the words there do not hold it.
        """
        end = answer.start + len(answer.text) - 1
        if not 0 <= answer.start <= end < self._length:
            return None
        first, last = (
            bisect.bisect_right(self._word_starts, place) - 1
            for place in (answer.start, end)
        )
        there = " ".join(self.words[max(first, 0) : last + 1]).lower()
        if " ".join(answer.text.split()).lower() not in there:
            return None
        return TokenSpan(first, last)

    def find(self, answer: Answer) -> Optional[TokenSpan]:
        """See `PassageReader.find`: the first such tokens in its words, or all these.

        In a passage of one word that is the first occurrence in the passage.
        """
        found = self.find_words(answer)
        if found is None:
            return None
        first = self._first_tokens[found.first]
        last = self._first_tokens[found.last + 1] - 1
        wanted = self._tokenizer.tokenize(answer.text)
        for start in range(first, last - len(wanted) + 2):
            if wanted and self.tokens[start : start + len(wanted)] == wanted:
                return TokenSpan(start, start + len(wanted) - 1)
        return TokenSpan(first, last)

    def cut(self, span: TokenSpan) -> TextSpan:
        """See `PassageReader.cut` and `align_text`; its place is not known."""
        tokens = " ".join(self.tokens[span.first : span.last + 1])
        predicted = tokens.replace(f" {CONTINUATION}", "").replace(CONTINUATION, "")
        words = [self.word_of_token[index] for index in span]
        original = " ".join(self.words[words[0] : words[1] + 1])
        lower = self._tokenizer.do_lower_case
        return TextSpan(align_text(" ".join(predicted.split()), original, lower))

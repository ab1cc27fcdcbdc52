"""English words as the official scores count them: NLTK 3.4's `word_tokenize`.

The sentences of Punkt (Kiss and Strunk, 2006), with the model that NLTK has for
English, and in each the words of the Penn Treebank. Later versions of NLTK split more
("1982–2013" into three words, for one), and so score otherwise; the rules that 3.4 adds
to the Treebank's stand here.
"""

from __future__ import annotations

import functools
import re
from typing import Callable

from albert.base.optional import extra

# What is set apart before, and after, the Treebank's own rules on opening quotes.
_OPENING = (re.compile("([«“‘„]|`+)"), r" \1 ")
_APOSTROPHE = (
    re.compile(r"(')(?!re|ve|ll|[mtsdn])(\w)\b", re.IGNORECASE),
    r"\1 \2",
)
_CLOSING = (re.compile("([»”’])"), r" \1 ")
# The full stop that ends a sentence, brackets and quotes after it or not.
_FULL_STOP = (re.compile("""([^.])(\\.)([])}>"'»”’ ]*)\\s*$"""), r"\1 \2 \3 ")


@functools.cache
def load_tokenizer() -> Callable[[str], list[str]]:
    """Return what splits a text into words.

    Raises:
        UserError: the packages of the extra `mrc` are not installed.
    """
    with extra("mrc"):
        import punkt
        from nltk.tokenize.treebank import TreebankWordTokenizer

    class _Words(TreebankWordTokenizer):
        STARTING_QUOTES = (
            _OPENING,
            *TreebankWordTokenizer.STARTING_QUOTES,
            _APOSTROPHE,
        )
        PUNCTUATION = (_FULL_STOP, *TreebankWordTokenizer.PUNCTUATION)
        ENDING_QUOTES = (_CLOSING, *TreebankWordTokenizer.ENDING_QUOTES)

    sentences = punkt.PunktSentenceTokenizer(punkt.load_model("english"))
    words = _Words()
    return lambda text: [
        word
        for sentence in sentences.tokenize(text)
        for word in words.tokenize(sentence)
    ]

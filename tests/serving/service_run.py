"""A service with stand-ins for models, as a process: what serve.py does, but quickly.

A text that begins with "sleep 0.5" takes so many seconds, "fail" fails. Each stand-in
writes the texts that it is given, one a line, to the file `texts` of its folder.
"""

from __future__ import annotations

import os
import re
import time

from albert.base import cli
from albert.serving import server
from albert.serving.service import Service
from albert.serving.service_config import ServiceConfig, read_token

cli.define_flags(ServiceConfig)


class StandIn:
    """Finds every 'x' of a text, with the score 0.5."""

    second = None

    def __init__(self, folder):
        self._path = os.path.join(folder, "texts")

    def predict(self, texts, min_score):
        with open(self._path, "a", encoding="utf-8") as file:
            file.write("".join(text + "\n" for text in texts))
        for text in texts:
            if text.startswith("fail"):
                raise ValueError(f"it fails for {text}")
            pause = re.match(r"sleep ([\d.]+)", text)
            time.sleep(float(pause.group(1)) if pause else 0)
        return [self._find(text, min_score) for text in texts]

    def _find(self, text, min_score):
        places = [m.start() for m in re.finditer("x", text) if min_score <= 0.5]
        found = [
            {"type": "X", "start": p, "end": p + 1, "surface": "x", "score": 0.5}
            for p in places
        ]
        return {"text": text, "entities": found}

    def describe(self):
        return {"task": "ner", "types": ["X"]}


class PairStandIn:
    """Labels a pair by its lengths, for the page."""

    second = "text_b"

    def __init__(self, folder):
        del folder

    def predict(self, texts, min_score):
        return [
            {
                **{"text": a, "text_b": b, "label": "same"},
                "probabilities": {"other": 0.25, "same": 0.75},
            }
            for a, b in texts
        ]

    def describe(self):
        labels = ["other", "same"]
        return {"task": "classification", "labels": labels, "second_text": "text_b"}


class ReaderStandIn:
    """Answers with the text's second and third character, or nothing to "？"."""

    second = "question"

    def __init__(self, folder):
        del folder

    def predict(self, texts, min_score):
        return [self._answer(text, question) for text, question in texts]

    def _answer(self, text, question):
        start, end = (None, None) if question == "？" else (1, 3)
        answer = "" if start is None else text[start:end]
        found = {"answer": answer, "start": start, "end": end, "score": 0.75}
        return {"text": text, "question": question, **found}

    def describe(self):
        return {"task": "mrc", "unanswerable": True, "second_text": "question"}


STAND_INS = {"pairs": PairStandIn, "reader": ReaderStandIn}


def open_stand_in(folder):
    return STAND_INS.get(os.path.basename(folder), StandIn)(folder)


def main(words):
    config = cli.read_flags(ServiceConfig, words)
    token = config.token_file and read_token(config.token_file)
    listener = server.bind(config)
    models = {name: open_stand_in(f) for name, (f, _) in config.folders().items()}
    server.run(Service(models, config, token), listener)


if __name__ == "__main__":
    cli.run_main(main)

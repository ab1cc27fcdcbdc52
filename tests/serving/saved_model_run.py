"""Asks exported models as somebody would who has TensorFlow and nothing of ours.

python saved_model_run.py REQUEST.json: `models` are folders, `texts` strings, `ids`
rows of token ids. Prints a line of JSON for each model.
"""

import json
import os
import sys

import numpy as np
import tensorflow as tf


def ask_texts(function, texts):
    output = {k: v.numpy() for k, v in function(texts=tf.constant(texts)).items()}

    def take(name, row, count):
        values = output[name][row, :count].tolist()
        return [v.decode() if isinstance(v, bytes) else v for v in values]

    entities = [
        f"entity_{name}" for name in ("types", "starts", "ends", "surfaces", "scores")
    ]
    columns = ["starts", "ends", "labels"]
    return [
        {
            "entities": list(zip(*(take(n, r, e) for n in entities))),
            "columns": list(zip(*(take(n, r, c) for n in columns))),
        }
        for r, (e, c) in enumerate(zip(output["num_entities"], output["num_columns"]))
    ]


def ask_ids(function, rows, **convert):
    width = max(map(len, rows))
    ids = np.array([row + [0] * (width - len(row)) for row in rows], np.int32)
    mask = np.array([[1] * len(r) + [0] * (width - len(r)) for r in rows], np.int32)
    inputs = {"input_ids": ids, "input_mask": mask, "segment_ids": 0 * ids}
    output = function(**{name: tf.constant(value) for name, value in inputs.items()})
    return {
        name: np.array(output[name]).astype(str if name == "labels" else None).tolist()
        for name in output
    }


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        request = json.load(file)
    for folder in request["models"]:
        model = tf.saved_model.load(folder)
        answer = {
            "texts": ask_texts(model.signatures["serving_default"], request["texts"]),
            "none": ask_texts(model.signatures["serving_default"], ["", " "]),
            "ids": ask_ids(model.signatures["ids"], request["ids"]),
        }
        for kind in ("float32", "int8"):
            path = os.path.join(folder, f"model_{kind}.tflite")
            if not os.path.exists(path):
                continue
            runner = tf.lite.Interpreter(path).get_signature_runner("ids")
            answer[kind] = [ask_ids(runner, [row]) for row in request["ids"]]
        print(json.dumps(answer))
    assert not [name for name in sys.modules if name.split(".")[0] == "albert"]


if __name__ == "__main__":
    main()

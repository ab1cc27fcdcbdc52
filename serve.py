"""Serve trained models over HTTP, with a page to try them.

Example:
    python3 serve.py --model_dir=ner_model --port=8000
    curl -H 'Content-Type: application/json' -d '{"text": "本文使用支持向量机。"}' \
      http://127.0.0.1:8000/v1/predict

The page is at http://127.0.0.1:8000/. SIGTERM finishes what was accepted and ends with
exit status 0. What a text says is never logged.
"""

from __future__ import annotations

from absl import logging

from albert.base import cli
from albert.serving.service_config import ServiceConfig, read_token

cli.define_flags(ServiceConfig)


def main(words: list[str]) -> None:
    """Open the models, then serve them."""
    from albert.serving import server  # an extra: missing, it is one line
    from albert.serving.service import Service

    config = cli.read_flags(ServiceConfig, words)
    token = None if config.token_file is None else read_token(config.token_file)
    listener = server.bind(config)
    if token is None and not server.is_loopback(listener):
        logging.warning("Whoever reaches %s may ask; see --token_file", config.host)
    # Slowly: what is above fails soon.
    from albert.serving.predictor import Predictor

    models, terms = {}, config.dictionaries()
    for name, (folder, flag) in config.folders().items():
        models[name] = Predictor(
            folder, dictionary=terms.get(name), flag=flag, precision=config.precision
        )
        models[name].warm_up()
    server.run(Service(models, config, token), listener)


if __name__ == "__main__":
    cli.run_main(main)

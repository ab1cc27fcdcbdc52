"""Models that are named by their address on a hub of Hugging Face's."""

from __future__ import annotations

import os
import re

from absl import logging

from albert.base.errors import UserError
from albert.base.optional import extra
from albert.checkpoints import huggingface

SCHEME = "hf://"

_ADDRESS = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")
_SMALL_FILES = ("config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json")
_SAFETENSORS = ("model.safetensors", "model-*.safetensors", huggingface.INDEX_NAME)


def download(address: str, flag: str) -> str:
    """Return a local folder with the model of an address.

    Files are kept in the cache of `huggingface_hub`, and looked for there without a
    network. The environment says where it lies (HF_HOME), which server is asked
    (HF_ENDPOINT), and as whom (HF_TOKEN).

    Args:
        address: `hf://owner/name`, with `@revision` for other than the newest.
        flag: the flag's name, for messages.

    Raises:
        UserError: it is no address, or the model cannot be had.
    """
    parsed = _ADDRESS.fullmatch(address)
    if not parsed:
        raise UserError(
            f"--{flag}: {address} is no address: hf://owner/name or "
            "hf://owner/name@revision is due"
        )
    repository, revision = parsed.groups()
    with extra("convert"):
        import huggingface_hub
    folder = ""
    for weights in (_SAFETENSORS, (huggingface.TORCH_NAME,)):
        try:
            folder = huggingface_hub.snapshot_download(
                repository, revision=revision, allow_patterns=[*_SMALL_FILES, *weights]
            )
        except Exception as error:  # of the package, of its HTTP client, of files
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            raise UserError(f"--{flag}: {address} cannot be had: {reason}") from error
        if any(name.endswith((".safetensors", ".bin")) for name in os.listdir(folder)):
            break
    logging.info("%s lies in %s", address, folder)
    return folder

"""What tests of several machines share."""

from __future__ import annotations

import contextlib
import json
import random
import socket

ADVICE = (
    "start the same command on every machine again: training goes on from the newest "
    "checkpoint"
)


def tf_config(task, index, **cluster):
    return json.dumps({"cluster": cluster, "task": {"type": task, "index": index}})


@contextlib.contextmanager
def listening():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield f"127.0.0.1:{server.getsockname()[1]}"


def free_addresses(count):
    """Addresses below those that the system gives to clients, which could take one."""
    found = []
    for port in random.sample(range(20_000, 30_000), 100):
        with contextlib.suppress(OSError), socket.socket() as server:
            server.bind(("127.0.0.1", port))
            found.append(f"127.0.0.1:{port}")
        if len(found) == count:
            break
    return found

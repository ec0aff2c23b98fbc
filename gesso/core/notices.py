"""What a transaction tells the pages that are open: who hears it is in `generations.broadcast`.

A notice is sent with the transaction that changed something, and may be lost: it only says where to look.
"""

import uuid

import orjson

from gesso.core import transactions

CHANNEL = "gesso"


def announce(workspace_id: uuid.UUID, words: dict[str, object]) -> None:
    """Say `words` to whoever listens for this workspace, when and if this transaction commits."""
    transactions.announce(CHANNEL, orjson.dumps({"w": str(workspace_id), **words}).decode())


def announce_balance(workspace_id: uuid.UUID) -> None:
    """Say that the workspace's balance changed."""
    announce(workspace_id, {"k": "balance"})

"""The hub of a web process goes on listening, whatever ended its connection."""

import asyncio
import uuid

import pytest
import structlog
from django.db import connection

from gesso.core.transactions import PatientConnection
from gesso.generations import broadcast

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_fault_of_any_kind_ends_no_listening(monkeypatch):
    workspace, generation = uuid.uuid4(), uuid.uuid4()
    connect = PatientConnection.connect
    faults = [OSError("no more files may be opened"), RuntimeError("nobody thought of this")]

    async def faulty(**words):
        if faults:
            raise faults.pop()
        return await connect(**words)

    monkeypatch.setattr(PatientConnection, "connect", faulty)

    async def hear():
        hub = broadcast.Hub()
        await hub.open()
        try:
            async with hub.subscribe(workspace) as subscription:
                first = await subscription.get(within=10)
                await asyncio.to_thread(announce)
                return first, await subscription.get(within=10)
        finally:
            await hub.aclose()

    def announce():
        broadcast.announce_preview(workspace, generation, 0, 1)
        connection.close()

    with structlog.testing.capture_logs() as lines:
        first, second = asyncio.run(hear())
    assert {line["event"] for line in lines} == {"listening for notices failed; trying again"}  # none is the network's
    assert all(line["exc_info"] for line in lines)
    assert faults == []
    assert first.kind == "resync"
    assert (second.kind, second.generation_id, second.data) == ("preview", str(generation), (0, 1))

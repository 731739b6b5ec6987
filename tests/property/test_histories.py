"""Whatever happens, in whatever order, the truths hold.

A history is a dozen random commands: launches whose names collide, deletions, power operations and renames by two
accounts, faults of the node, a worker that is restarted or killed. The truths are looked at after every command, and
all of them once the faults are gone and every task has ended.

The same sixteen histories are run every day. For many more, and other ones each time:

    BLUELOBSTER_HISTORIES=1000 ./bluelobster test tests/property
"""

import logging
from collections.abc import Sequence

import pytest
from hypothesis import given

from cloud import CLEAN
from flow.traces import traces
from property.commands import HISTORIES, Command
from property.conftest import PROFILE
from property.truths import broken, seen_by_others, unlike_the_node
from property.world import World

pytestmark = pytest.mark.long


# A worker that is stopped in the middle of a TLS handshake leaves its socket to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@PROFILE
@given(history=HISTORIES)
async def test_the_truths_hold(world: World, caplog: pytest.LogCaptureFixture, history: Sequence[Command]) -> None:
    caplog.clear()
    caplog.set_level(logging.INFO, "bluelobster")
    world.start_worker()
    for command in history:
        await command.happen(world)
        assert await broken(world.cloud) == {}, command
    await world.calm_down()
    assert await broken(world.cloud) == {}
    assert await unlike_the_node(world.cloud) == []
    assert await seen_by_others(world) == []
    await world.clean_up()
    assert await broken(world.cloud) == {}
    assert await world.cloud.leftovers() == CLEAN
    secrets = {world.cloud.key.split("_")[2], world.cloud.node.token.secret, *world.secrets}
    assert await traces(world.cloud, caplog.text, secrets) == []
    await world.forget()

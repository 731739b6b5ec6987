"""Whatever a server says, a call returns or raises an error of this package."""

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelobster.pve import errors
from pve.server import answering, client_of, recorded_answer
from pve.test_requests import CALLS

STATUSES = st.sampled_from([200, 204, 302, 400, 401, 403, 500, 501])
THINGS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
ODD_VALUES: tuple[Any, ...] = (None, "", "nan", "1e400", "UPID:", -1, 1e300, True, [], {}, [None], {"a": "b"})
DEPTH = 4


@settings(max_examples=200, deadline=None)
@given(
    method=st.sampled_from(sorted(CALLS)),
    status=STATUSES,
    body=THINGS | st.fixed_dictionaries({"data": THINGS, "message": THINGS, "errors": THINGS}),
)
async def test_any_answer(method: str, status: int, body: Any) -> None:
    async with answering(status, body) as pve:
        with contextlib.suppress(errors.PveError):
            await CALLS[method][1](pve)


def changed(thing: Any, depth: int = DEPTH) -> Iterator[Any]:
    """`thing` with each part of it replaced by each odd value in turn; of a list, only the first entry is tried."""
    yield from ODD_VALUES
    if depth and isinstance(thing, list | dict):
        keys = list(thing) if isinstance(thing, dict) else range(min(1, len(thing)))
        for key in keys:
            for part in changed(thing[key], depth - 1):
                other = copy.copy(thing)
                other[key] = part
                yield other


@pytest.mark.parametrize("method", CALLS)
async def test_a_recorded_answer_with_one_thing_changed(method: str) -> None:
    operation, call = CALLS[method]
    answers: list[Any] = []
    async with client_of(lambda _: httpx.Response(200, json=answers[-1])) as pve:
        for data in changed(recorded_answer(*operation.split())["data"]):
            answers.append({"data": data})
            with contextlib.suppress(errors.PveError):
                await call(pve)
    assert len(answers) >= len(ODD_VALUES)

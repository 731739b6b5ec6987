"""The name that an instance has after a restore."""

from datetime import UTC, datetime

import pytest

from bluelobster.backups.restore_name import Naming
from bluelobster.http.errors import InvalidRequest

DAY = datetime(2028, 2, 29, 23, 59, tzinfo=UTC)
PREFIX = "RESTORE-20280229-"


@pytest.mark.parametrize(
    ("naming", "name"),
    [
        (Naming(), None),
        (Naming(source_name="db-2"), None),
        (Naming(new_name="web"), "web"),
        (Naming(prefix=True), f"{PREFIX}db-1"),
        (Naming(prefix=True, source_name="db-2"), f"{PREFIX}db-2"),
        (Naming(prefix=True, source_name="db-2", new_name="web"), f"{PREFIX}web"),
        (Naming(prefix=True, source_name="x" * 64), f"{PREFIX}{'x' * 47}"),
    ],
)
def test_name(naming: Naming, name: str | None) -> None:
    assert naming.name("db-1", DAY) == name


@pytest.mark.parametrize(
    "naming", [Naming(new_name="a b"), Naming(new_name=""), Naming(prefix=True, source_name="a b"), Naming("a", True)]
)
def test_a_name_that_no_instance_may_have(naming: Naming) -> None:
    with pytest.raises(InvalidRequest):
        naming.name("db-1", DAY)

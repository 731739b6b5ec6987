"""Reads the fields of a JSON object, strictly for the promised ones and blind to all others."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeVar

from bluelobster_client.errors import UnexpectedAnswer

T = TypeVar("T")


class Fields:
    """A JSON object called `what` in errors. Each method reads one field.

    Raises `UnexpectedAnswer` where a required field is missing or has another type; `…_or_none` never raises.
    """

    def __init__(self, data: object, what: str) -> None:
        if not isinstance(data, dict):
            raise UnexpectedAnswer(f"the API's {what} is not a JSON object")
        self.raw: Mapping[str, object] = data
        self._what = what

    def text(self, name: str) -> str:
        return self._required(name, self.text_or_none(name))

    def text_or_none(self, name: str) -> str | None:
        value = self.raw.get(name)
        return value if isinstance(value, str) else None

    def whole(self, name: str) -> int:
        return self._required(name, self.whole_or_none(name))

    def whole_or_none(self, name: str) -> int | None:
        value = self.number_or_none(name)
        return int(value) if value is not None and value == value // 1 else None

    def number(self, name: str) -> float:
        return self._required(name, self.number_or_none(name))

    def number_or_none(self, name: str) -> float | None:
        value = self.raw.get(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def flag(self, name: str) -> bool:
        """Absent counts as false."""
        return self.raw.get(name) is True

    def time(self, name: str) -> datetime:
        return self._required(name, self.time_or_none(name))

    def time_or_none(self, name: str) -> datetime | None:
        """A time without a zone is in UTC."""
        try:
            value = datetime.fromisoformat(self.text_or_none(name) or "")
        except ValueError:
            return None
        return value if value.tzinfo else value.replace(tzinfo=UTC)

    def inner(self, name: str) -> "Fields":
        return Fields(self.raw.get(name), f"{name} of {self._what}")

    def inner_or_none(self, name: str) -> "Fields | None":
        return self.inner(name) if isinstance(self.raw.get(name), dict) else None

    def items(self, name: str) -> list[object]:
        value = self.raw.get(name)
        return self._required(name, value if isinstance(value, list) else None)

    def texts(self, name: str) -> dict[str, str]:
        """An object of strings; absent or null counts as empty."""
        value = self.raw.get(name)
        return {key: text for key, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}

    def _required(self, name: str, value: T | None) -> T:
        if value is None:
            raise UnexpectedAnswer(f"the API's {self._what} has no usable `{name}`")
        return value

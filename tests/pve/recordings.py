"""Exchanges with a real Proxmox VE 9.2, in the order in which they happened."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "pvelocal" / "recorded"
SCENARIOS = ("auth", "backup", "clone", "cloudinit", "cluster", "firewall", "identity", "iso", "lifecycle")


@dataclass(frozen=True)
class Exchange:
    """One request and its answer; `body` is what the server sent, envelope included."""

    scenario: str
    title: str
    method: str
    path: str
    parameters: dict[str, Any]
    status: int
    reason: str
    body: Any

    def __str__(self) -> str:
        return f"{self.scenario}: {self.title}"

    @property
    def data(self) -> Any:
        return self.body["data"]

    @property
    def exit_status(self) -> str | None:
        """How the task ended, when this is the answer about a task that has ended."""
        if not (self.status == 200 and "/tasks/" in self.path and self.path.endswith("/status")):
            return None
        found = self.data.get("exitstatus")
        return None if found is None else str(found)


def exchanges() -> Iterator[Exchange]:
    """All of them."""
    for scenario in SCENARIOS:
        for entry in json.loads((FOLDER / f"{scenario}.json").read_text())["exchanges"]:
            request, answer = entry["request"], entry["response"]
            yield Exchange(
                scenario=scenario,
                title=entry["title"],
                method=request["method"],
                path=request["path"],
                parameters=request["params"],
                status=answer["status"],
                reason=answer["reason"],
                body=answer["body"],
            )


def recorded(scenario: str, title: str) -> Exchange:
    """The first exchange of this title."""
    return next(found for found in exchanges() if (found.scenario, found.title) == (scenario, title))

"""For schemathesis: whoever would open the stream of events, which never ends, gets one page of them instead."""

from typing import Any

import schemathesis

TRUE = frozenset(("true", "1", "t", "y", "yes", "on"))


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case, _settings: dict[str, Any]) -> None:
    query = dict(case.query or {})
    streams = str(query.get("stream", True)).lower() in TRUE
    if case.operation.path == "/api/v1/events" and streams:
        case.query = {**query, "stream": "false"}

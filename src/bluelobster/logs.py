"""One line a record on stderr, with the request's name in it."""

import logging
import sys

from bluelobster.http.requests import RequestIdFilter

FORMAT = "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"


def log_to_stderr(level: str) -> None:
    """Set logging up for a whole process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RequestIdFilter())
    handler.setFormatter(logging.Formatter(FORMAT))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("httpx", "httpcore", "uvicorn.access", "psycopg.pool"):
        logging.getLogger(chatty).setLevel("WARNING")

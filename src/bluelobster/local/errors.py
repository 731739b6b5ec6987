"""Why there is no cloud on this machine."""


class CloudError(Exception):
    """The cloud cannot be started, or a part of it ended; the text says what to do."""

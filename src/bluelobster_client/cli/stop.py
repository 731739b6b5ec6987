"""Ends of a command that are no success."""

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_FOUND = 3
EXIT_NOT_PERMITTED = 4
EXIT_INTERRUPTED = 130


class Stop(Exception):
    """Ends the command with a message on standard error and an exit code."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Interrupted(Stop):
    """Ctrl-C was pressed; the message says what goes on without us."""

    def __init__(self, message: str = "Interrupted.") -> None:
        super().__init__(message, EXIT_INTERRUPTED)

"""Commands as an operator types them."""

import shlex
from dataclasses import dataclass

from click.testing import CliRunner

from bluelobster.__main__ import main


@dataclass(frozen=True)
class Shell:
    """Runs `bluelobster admin …` in this process."""

    def run(self, line: str, **environment: str) -> tuple[int, str]:
        """The exit status and everything that was printed, errors included. A crash is none of the two."""
        result = CliRunner().invoke(main, ["admin", *shlex.split(line)], env=environment, prog_name="bluelobster")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        return result.exit_code, result.output

    def does(self, line: str, **environment: str) -> str:
        """What a command says that succeeds."""
        status, output = self.run(line, **environment)
        assert status == 0, output
        return output

    def refuses(self, line: str, **environment: str) -> str:
        """What a command says that is refused: one sentence."""
        status, output = self.run(line, **environment)
        assert status == 1, output
        assert output.startswith("Error: ")
        return output.removeprefix("Error: ").rstrip("\n")

    def misreads(self, line: str, **environment: str) -> str:
        """What is said of a command that cannot be read; the last line is the reason."""
        status, output = self.run(line, **environment)
        assert status == 2, output
        return output.splitlines()[-1].removeprefix("Error: ")

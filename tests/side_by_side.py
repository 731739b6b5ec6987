"""Tests in several processes, each forked when everything is imported and collected.

A process takes a few tests of one file at a time; those that share a machine or an installation, all at once. A pipe
holds the places of what nobody took yet, so that whoever is free reads which is next.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from multiprocessing.connection import Connection, Pipe, wait
from types import FrameType
from typing import Any, NoReturn, cast

import pytest

AT_ONCE = 8
PLACE_BYTES = 4

Portion = list[pytest.Item]


def portions(
    items: Sequence[pytest.Item], together: Sequence[Sequence[str]], is_long: Callable[[pytest.Item], bool]
) -> list[Portion]:
    """What a process takes at once. Each of `together` has beginnings of the names of what one process does, in order.
    What is long comes next, and alone: such tests mostly wait, and the last one to begin decides when the run ends."""
    whole: list[Portion] = []
    for names in together:
        found = [item for name in names for item in items if item.nodeid.startswith(name)]
        whole += [found] if found else []
    taken = {item for portion in whole for item in portion}
    left = [item for item in items if item not in taken]
    long = [[item] for item in left if is_long(item)]
    short = [item for item in left if not is_long(item)]
    few: list[Portion] = []
    for _, group in groupby(short, lambda item: item.path):
        tests = list(group)
        few += [tests[start : start + AT_ONCE] for start in range(0, len(tests), AT_ONCE)]
    return [*whole, *long, *few]


@dataclass
class Worker:
    """A process that runs tests, as the one that started it sees it."""

    pid: int
    words: Connection
    running: pytest.Item | None = None
    status: int | None = None

    def has_ended(self) -> None:
        self.words.close()
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def end(self) -> None:
        """Have it tear down what it set up, and wait until it did."""
        if self.status is None:
            os.kill(self.pid, signal.SIGTERM)
            self.has_ended()


@dataclass
class Run:
    """All tests of a session, run by others: the session hears of each as if it had run it itself."""

    session: pytest.Session
    portions: list[Portion]
    workers: list[Worker] = field(default_factory=list)
    not_yet: set[pytest.Item] = field(default_factory=set)

    def go_on(self, processes: int) -> None:
        """Until each test has ended; `Failed` where the session wants no more of them."""
        self.not_yet = {item for portion in self.portions for item in portion}
        reporter = self.session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.showfspath = False
            reporter.flush()
        sys.stdout.flush()
        places, waiting = os.pipe()
        os.write(waiting, b"".join(place.to_bytes(PLACE_BYTES, "big") for place in range(len(self.portions))))
        os.close(waiting)
        try:
            for _ in range(processes):
                self._fork(places)
            os.close(places)
            self._listen()
        finally:
            for worker in self.workers:
                worker.end()
        self._tell_of_the_lost()

    def _fork(self, places: int) -> None:
        heard, said = Pipe(duplex=False)
        pid = os.fork()
        if pid == 0:
            # Whoever speaks has to notice that nobody listens any more.
            for connection in (heard, *(worker.words for worker in self.workers)):
                connection.close()
            work(self.session, self.portions, places, said)
        said.close()
        self.workers.append(Worker(pid, heard))

    def _listen(self) -> None:
        speaking = {worker.words: worker for worker in self.workers}
        while speaking:
            for connection in wait(list(speaking)):
                worker = speaking[cast("Connection", connection)]
                try:
                    event, what = worker.words.recv()
                except (EOFError, OSError):
                    # It has ended, maybe in the middle of a word.
                    del speaking[worker.words]
                    worker.has_ended()
                else:
                    self._hear(worker, event, what)
            if self.session.shouldfail:
                raise self.session.Failed(self.session.shouldfail)

    def _hear(self, worker: Worker, event: str, what: Any) -> None:
        hook, config = self.session.config.hook, self.session.config
        if event == "begins":
            worker.running = self.session.items[what]
            hook.pytest_runtest_logstart(nodeid=worker.running.nodeid, location=worker.running.location)
        elif event == "reports":
            hook.pytest_runtest_logreport(report=hook.pytest_report_from_serializable(config=config, data=what))
        elif event == "ends":
            ended, worker.running = self.session.items[what], None
            self.not_yet.discard(ended)
            hook.pytest_runtest_logfinish(nodeid=ended.nodeid, location=ended.location)
        else:
            self._fail("the end of a process of tests", ("", None, ""), what)

    def _tell_of_the_lost(self) -> None:
        for worker in self.workers:
            if worker.running is not None:
                self._lose(worker.running, f"Meanwhile its process ended with {worker.status}.")
        for item in [item for item in self.session.items if item in self.not_yet]:
            self._lose(item, "Nobody ran it: the process that had taken it has ended.")

    def _lose(self, item: pytest.Item, why: str) -> None:
        self.not_yet.discard(item)
        self._fail(item.nodeid, item.location, why)

    def _fail(self, nodeid: str, location: tuple[str, int | None, str], why: str) -> None:
        report = pytest.TestReport(nodeid, location, {}, "failed", why, "call")
        self.session.config.hook.pytest_runtest_logreport(report=report)


class Telling:
    """What a process of tests tells: of what passed, that it did; of all else, everything."""

    def __init__(self, config: pytest.Config, words: Connection) -> None:
        self._config = config
        self._words = words

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            told = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
            self._words.send(("reports", told))


def work(session: pytest.Session, taken: list[Portion], places: int, words: Connection) -> NoReturn:
    """Be one of the processes, until no test is left or SIGTERM ends it. Ctrl-C is for the one that started it."""
    status = 1
    try:
        _settle(session.config, words)
        _run(session, taken, places, words)
        status = 0
    except BrokenPipeError:
        status = 2
    except BaseException:
        words.send(("trouble", traceback.format_exc()))
    finally:
        os._exit(status)


def _settle(config: pytest.Config, words: Connection) -> None:
    """Have nothing in common with the others that is written to."""
    plugins = config.pluginmanager
    plugins.unregister(name="terminalreporter")
    capture: Any = plugins.get_plugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    plugins.register(Telling(config, words))
    # Not ignored, which what the tests start would inherit.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _run(session: pytest.Session, taken: list[Portion], places: int, words: Connection) -> None:
    number = {item: place for place, item in enumerate(session.items)}
    try:
        while place := os.read(places, PLACE_BYTES):
            portion = taken[int.from_bytes(place, "big")]
            # After the last one, what belongs to the session stays.
            for item, following in zip(portion, [*portion[1:], session], strict=True):
                words.send(("begins", number[item]))
                session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                words.send(("ends", number[item]))
    except KeyboardInterrupt:
        pass
    finally:
        runner: Any = session.config.pluginmanager.get_plugin("runner")
        runner.pytest_sessionfinish(session)

"""Processes that begin with everything imported, which costs a start most of its time."""

import multiprocessing

processes = multiprocessing.get_context("forkserver")
# Not the tests' own modules: the process that forks does not find them, and says nothing of it.
processes.set_forkserver_preload(
    ["bluelobster.app", "bluelobster.worker", "bluelobster.demonstration", "pvelocal.__main__", "pvelocal.simulated"]
)

"""Processes that begin with everything imported, which costs a start most of its time."""

import multiprocessing

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["bluelobster.worker", "faults.victim", "pvelocal.__main__"])

"""A simulator of openBIS: the application server, the data store server, and their faults.

`simulator.Simulator(folder)` runs in a thread of its own, so that blocking clients (pyBIS) and
asyncio tests use it alike; `python -m tests.simulators.openbis` runs it as a process. What it
answers was recorded with, and is checked by, pyBIS 1.37.
"""

"""A simulator of openBIS: the application server, the data store server, and their faults.

`simulator.Simulator(folder)` runs in a thread of its own, so that blocking clients (pyBIS) and
asyncio tests can both use it; `python -m tests.simulators.openbis` runs it as a process. Its
answers were recorded, and are checked, with pyBIS 1.37.
"""

"""From cached frames to what a model takes: one module per kind, with a function of its name.

A function takes the run's `Dataset`, where it has statistics those of an earlier run, and its options by keyword; it
returns `Inputs`. Whether torch is imported is each module's own affair: a job without a network starts without it.
"""

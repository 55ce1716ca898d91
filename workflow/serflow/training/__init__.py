"""Training one run: a system under a protocol, for one seed and fold.

`run`, `loading`, `network` and `estimator` wire files; `two_step` joins runs; all else needs torch and NumPy alone.
"""

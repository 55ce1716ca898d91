"""Training one run: a system under a protocol, for one seed and fold. `fit` needs torch alone; `run` wires files."""

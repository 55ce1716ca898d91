"""Paper files: what they say, and the runs that a configuration asks for."""

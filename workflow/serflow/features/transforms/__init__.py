"""One module per transform: a function of the module's name."""

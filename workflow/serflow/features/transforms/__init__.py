"""The transforms, one module each: a function of the module's name that turns a signal into frames."""

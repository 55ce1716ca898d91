"""One module per kind of figure that a paper file may ask for; see `serflow.papers.model`.

Each has ``NEEDS``, the files that it is drawn from, and a function of its own name, which takes a
`serflow.figures.request.Request` and the figure's keys by name, and returns the figure.
"""

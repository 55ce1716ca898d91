from toy_paper import make_run  # noqa: F401

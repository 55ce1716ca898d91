from toy_paper import make_run, manifest, speakers  # noqa: F401

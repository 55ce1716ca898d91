from toy_page import make_page, page, page_file, recordings  # noqa: F401
from toy_paper import make_run, manifest, speakers  # noqa: F401

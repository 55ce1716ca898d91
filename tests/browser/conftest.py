from toy_page import make_page, page_file, recordings  # noqa: F401
from toy_paper import make_run  # noqa: F401

"""The documentation site: `make docs`."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
project, author = "serflow", "serflow contributors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "serflow"
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["tables.css"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = False
suppress_warnings = ["myst.header"]
#: Verbs that people type.
VERBS = ("predict", "export", "audit", "compare", "plan", "verify", "keep", "results", "record-costs", "reference")


def help_of(*words: str) -> str:
    """Return what a command prints with --help."""
    command = [sys.executable, "-m", "serflow.cli", *words, "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def write_cli_page() -> None:
    """Write the page of the command line from the commands' own help."""
    parts = ["# Command line", f"```text\n{help_of()}```"]
    parts += [f"## serflow {verb}\n\n```text\n{help_of(verb)}```" for verb in VERBS]
    (HERE / "cli.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


write_cli_page()

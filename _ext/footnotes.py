"""Keep myst-parser from missing the footnotes that {footcite:p}`key` makes.

It looks for their text in the page, where sphinxcontrib-bibtex writes it only later. An unknown
key still warns, from sphinxcontrib-bibtex itself.
"""

import logging

REPORTER = "sphinx.sphinx.util.docutils"  # through which docutils warns


def is_real(record: logging.LogRecord) -> bool:
    """Whether the warning is about anything but a citation's footnote."""
    return "No footnote definitions found for label: 'footcite-" not in record.getMessage()


def setup(app):
    """Filter the parser's warnings."""
    logging.getLogger(REPORTER).addFilter(is_real)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

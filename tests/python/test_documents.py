"""Every example that a reader may copy runs: README, docs and docstrings."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import afml_cache

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\s*$")


def script_of(document):
    """Only the python blocks of a document, each line where it stands there."""
    language = None
    lines = []
    for line in document.read_text(encoding="utf-8").splitlines():
        fence = FENCE.match(line)
        lines.append(line if language == "python" and not fence else "")
        if fence:
            language = fence[1] if language is None else None
    assert language is None, f"a code block of `{document.name}` is not closed"
    return "\n".join(lines)


def module_names():
    packages = pkgutil.walk_packages(afml_cache.__path__, "afml_cache.")
    return ["afml_cache", *sorted(package.name for package in packages)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_the_python_blocks_of_a_document_run(document, run_python):
    run_python(script_of(document))


@pytest.mark.parametrize("name", module_names())
def test_the_examples_in_docstrings_run(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0

"""Sphinx: ``sphinx-build -W doc SITE`` from the checkout, with skfastnn and its extra `doc` installed; no network."""

import inspect
import re
from pathlib import Path

import skfastnn

ROOT = Path(__file__).parents[1]

project = "skfastnn"
author = "skfastnn developers"
project_copyright = author
version = release = skfastnn.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
root_doc = "index"
exclude_patterns = ["_build", "_templates", "generated/sg_execution_times.rst"]
templates_path = ["_templates"]

myst_enable_extensions = ["colon_fence"]
# links to headings, as GitHub makes them
myst_heading_anchors = 4

autosummary_generate = True
autodoc_member_order = "groupwise"
autodoc_typehints = "none"
# beside a page: methods without the name of their class
toc_object_entries_show_parents = "hide"
# one page for each public name lists its methods; attributes are described in the docstring
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    # run: what takes seconds and needs nothing but the package and matplotlib; all others are shown
    "filename_pattern": r"/(firing|half_spaces|heavy_pairs|importances)\.py$",
    "ignore_pattern": r"__init__\.py",
    "show_memory": False,
    "download_all_examples": False,
    "remove_config_comments": True,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = f"skfastnn {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "skfastnn"},
    "navigation_with_keys": False,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "header_links_before_dropdown": 5,
    # nothing is asked of another host
    "use_edit_page_button": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}
# pages without others below them
ALONE = ("index", "getting_started", "how_it_works", "changelog")
html_sidebars = {page: [] for page in ALONE}

# Pages of the root of the checkout that are pages of the site, too.
ROOT_PAGES = {"changelog": "CHANGELOG.md", "contributing": "CONTRIBUTING.md", "benchmarks": "benchmarks/run.md"}


def read_root_page(app, docname, source):
    """Take the text of a page from the root of the checkout, with links as they are from here; tidy examples."""
    if docname in ROOT_PAGES:
        text = (ROOT / ROOT_PAGES[docname]).read_text(encoding="utf-8")
        for name, file in ROOT_PAGES.items():
            text = text.replace(f"]({file}", f"]({name}.md")
        source[0] = re.sub(r"\]\((\.\./)?doc/", "](", text)
    # the empty line by which doctest knows the end of an output
    source[0] = source[0].replace("\n\n```\n", "\n```\n")


def tidy_docstring(app, what, name, obj, options, lines):
    """Escape the underscore that ends a name in a type; drop links to scikit-learn, and formulas that need a script."""
    for k, line in enumerate(lines):
        if re.match(r"^\w+(, \w+)* : |^\w+ of shape ", line):
            line = re.sub(r"\b(n_\w+)_(?!\w)", r"\1\\_", line)
        line = re.sub(r":math:`([^`]*)`", r"``\1``", line)
        lines[k] = re.sub(r":ref:`([^`<]*[^`<\s])\s*(<[^>]*>)?`", r"\1", line)


def name_arguments(app, what, name, obj, options, signature, return_annotation):
    """Return the arguments of a class whose base class hides them."""
    if what == "class" and signature == "(*args, **kwargs)":
        arguments = inspect.signature(obj.__init__)
        parameters = [parameter for key, parameter in arguments.parameters.items() if key != "self"]
        return str(arguments.replace(parameters=parameters)), return_annotation
    return None


def setup(app):
    """Connect what is above."""
    app.connect("autodoc-process-signature", name_arguments, priority=100)
    app.connect("source-read", read_root_page)
    # before numpydoc
    app.connect("autodoc-process-docstring", tidy_docstring, priority=100)

"""Where the documentation of a class is found; scikit-learn's HTML representation of estimators links to it."""

SITE = "https://skfastnn.readthedocs.io/en/stable/"


class DocumentedMixin:
    """Estimator with a page in the API reference of this package."""

    _doc_link_module = "skfastnn"
    _doc_link_template = SITE + "generated/skfastnn.{estimator_name}.html"

"""What the last hidden layer makes of rows, as features for other models."""

import numpy as np
from scipy.sparse import csr_array, csr_matrix, vstack
from sklearn import get_config
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import gen_batches
from sklearn.utils._chunking import get_chunk_n_rows
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import check_is_fitted

from skfastnn._messages import in_own_context
from skfastnn._prediction import last_hidden_layer


class ActivationsMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Makes a fitted network a transformer: one feature for each neuron of the last hidden layer."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self):
        return self.coefs_[-1].shape[0]

    def transform(self, X):
        """Return the activations of the last hidden layer, zero where a neuron does not fire.

        ``transform(X) @ coefs_[-1] + intercepts_[-1]`` is the output of the network. Without a hidden layer, what the
        network sees is returned.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, with as many features as in `fit`; NaN where a missing value is taken.

        Returns
        -------
        activations : CSR matrix of shape (n_samples, n_neurons), float32 or float64
            A CSR array where scikit-learn's "sparse_interface" is "sparray", and dense where `set_output` asks for data
            frames, which cannot be sparse.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If X has another number of features or numbers that are not finite.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skfastnn import FastReLUClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> network = FastReLUClassifier(hidden_layer_sizes=256, threshold=1.0, random_state=0).fit(X, y)
        >>> network.transform(X).shape
        (150, 256)
        >>> network.get_feature_names_out()[:2]
        array(['fastreluclassifier0', 'fastreluclassifier1'], dtype=object)
        """
        check_is_fitted(self)
        activations = self._activations(X)
        return activations.toarray() if _get_output_config("transform", self)["dense"] != "default" else activations

    @in_own_context
    def _activations(self, X):
        return hidden_activations(*self._rows_and_weights(X))


def hidden_activations(X, coefs, intercepts):
    """Return the activations of the last hidden layer as CSR; so many rows at a time as fit into `working_memory`.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_inputs)
    coefs, intercepts : list of ndarray
        As the estimators have them.
    """
    widest = max(W.shape[0] for W in coefs)
    dtype = np.result_type(X.dtype, coefs[0].dtype)
    parts = []
    for part in gen_batches(X.shape[0], get_chunk_n_rows(row_bytes=3 * widest * dtype.itemsize, max_n_rows=X.shape[0])):
        parts.append(csr_array(last_hidden_layer(X[part], coefs, intercepts), dtype=dtype))
    whole = vstack(parts, format="csr") if len(parts) > 1 else parts[0]
    # before 1.9 scikit-learn knew matrices alone
    return whole if get_config().get("sparse_interface") == "sparray" else csr_matrix(whole)

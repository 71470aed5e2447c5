"""What comes in: rows, target and weights are checked, samples that do not count are left out, some are held out."""

import zlib

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.utils.validation import _check_sample_weight, validate_data

from skfastnn._data import Data
from skfastnn._given import check_features, check_given, check_length, check_numbered, check_weights
from skfastnn._messages import warn
from skfastnn._plan import choose_widths
from skfastnn._sparse_input import canonical, distinct


def validate_rows(estimator, X, y, dtype, allow_missing, reset):
    """Return X and y as scikit-learn checks them; with `reset` the features are those that are to be seen from now on.

    Raises
    ------
    ValueError
        If X is not finite, empty, of another length than y, or has more samples or features than can be numbered.
    """
    check_numbered(X)
    if not reset:
        check_features(estimator, X)
    check_length(X, y)
    check_given(X)
    check_given(y, "y")
    X, y = validate_data(
        estimator, X, y, order="C", accept_sparse="csr", reset=reset, multi_output=True, dtype=dtype,
        ensure_all_finite="allow-nan" if allow_missing else True,
    )  # fmt: skip
    return canonical(X), y


def weigh(X, y, sample_weight, weigh_classes, penalised):
    """Return rows, target and weights of the samples that count; the weights sum up to their number.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    y : ndarray of shape (n_samples, ...)
    sample_weight : array-like of shape (n_samples,) or None
    weigh_classes : callable
        Takes y and the weights, multiplies in those of classes.
    penalised : bool
        Whether the weights sum up to the number of samples that differ.
    """
    sample_weight = weigh_classes(y, checked_weight(sample_weight, X))
    # a weight of zero, or lost in rounding, is the same as leaving the sample out, draws included
    used = sample_weight > np.finfo(X.dtype).eps ** 2 * sample_weight.max()
    if not used.all():
        if not used.any():
            raise ValueError("All sample weights are zero: at least one weight must be positive.")
        X, y, sample_weight = X[used], y[used], sample_weight[used]
    # only ratios count, and k copies are the same as a weight of k: so penalties are shared out over what differs
    total = distinct(X, y)[0].size if penalised else y.shape[0]
    sample_weight = sample_weight / sample_weight.max()
    return X, y, (sample_weight * (total / sample_weight.sum())).astype(X.dtype)


def checked_weight(sample_weight, X):
    """Return the weight of each sample as scikit-learn checks it, float64; one where none were given."""
    if sample_weight is None:
        return np.ones(X.shape[0])
    check_weights(sample_weight, X)
    return _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)


def is_penalised(params):
    """Return whether training may have a penalty."""
    none = params.alpha == 0 or (params.alpha == "auto" and params.solver == "adam")
    return not none or params.solver == "sgd"


def check_activation(params, mlp):
    """Raise ValueError for an activation that MLP has and this network has not."""
    if params.activation != "relu":
        raise ValueError(
            f"activation={params.activation!r} is not offered: the neurons are ReLU, activation='relu'. "
            f"sklearn.neural_network.{mlp} has 'identity', 'logistic' and 'tanh'."
        )


def check_missing(data, encodes):
    """Raise ValueError if numbers are missing and nothing is to encode them."""
    if data is not None and not encodes and data.has_missing():
        raise ValueError(
            "Input X contains NaN, which is taken for a missing value only where features are encoded: pass "
            "encoding='piecewise_linear', or impute."
        )


def hold_out(data, params, draw, split, strata):
    """Return the data to train on, those that are held out, and what is known of the split.

    Parameters
    ----------
    data : Data
    params : namespace
        Parameters of the estimator.
    draw : tuple of callable and numpy.random.RandomState
        What splits, as `sklearn.model_selection.train_test_split`, and its source of random numbers.
    split : dict or None
        That of the call before. With the same samples, those that were held out before are held out again.
    strata : callable
        Takes the target and the number of rows that are held out, returns labels or None.

    Returns
    -------
    inside, outside : Data
    split : dict
        Among others "as_before", whether the same samples are held out as before.
    """
    divide, random_state = draw
    n_samples = data.target.shape[0]
    n_held_out = int(np.ceil(params.validation_fraction * n_samples))
    if n_held_out < 2 or n_held_out >= n_samples:
        raise ValueError(
            f"The validation set is too small or leaves nothing to train on: validation_fraction="
            f"{params.validation_fraction} of {n_samples} samples. Change validation_fraction, or set "
            "early_stopping=False."
        )
    if split is None or split["state"] is None:
        split = {"state": random_state.get_state(legacy=False), "held_out": None}
    else:
        random_state = np.random.RandomState()
        random_state.set_state(split["state"])
    parts = divide(
        data.X, data.y, data.target, data.weight, test_size=n_held_out, random_state=random_state,
        stratify=strata(data.y, n_held_out),
    )  # fmt: skip
    inside, outside = (Data(*(a if issparse(a) else np.ascontiguousarray(a) for a in parts[k::2])) for k in (0, 1))
    return inside, outside, _compared(split, outside)


def given_set(estimator, validation, data, allow_missing, split):
    """Return the samples that the user holds out, and what is known of the split.

    Parameters
    ----------
    estimator : FastReLUClassifier or FastReLURegressor
    validation : tuple (X, y, sample_weight)
        As given to `fit`.
    data : Data
        To train on.
    allow_missing : bool
    split : dict or None
        Of `hold_out`, or of this function, in the call before.

    Raises
    ------
    ValueError
        If rows or targets are not like those to train on.
    """
    X, y, sample_weight = validation
    X, y = validate_rows(estimator, X, y, data.X.dtype, allow_missing, reset=False)
    y = estimator._validate_held_out_target(y, data.y)
    if issparse(X) and not issparse(data.X):
        X = X.toarray()
    elif issparse(data.X) and not issparse(X):
        X = csr_array(X)
    weight = checked_weight(sample_weight, X)
    used = weight > np.finfo(X.dtype).eps ** 2 * weight.max()
    if not used.any():
        raise ValueError("All weights of sample_weight_val are zero: at least one must be positive.")
    X, y, weight = (X, y, weight) if used.all() else (X[used], y[used], weight[used])
    weight = weight / weight.max()  # only ratios count, and single precision holds these
    held_out = Data(X, y, estimator._encode_target(y), weight.astype(X.dtype))
    return held_out, _compared(split or {"state": None, "held_out": None}, held_out)


def _compared(split, outside):
    """Return what is known of the split, with the samples that are held out now."""
    checksum = zlib.crc32(outside.X.data if issparse(outside.X) else outside.X)
    return {**split, "held_out": checksum, "as_before": checksum == split["held_out"]}


def stops_early(early_stopping, validation):
    """Return whether training is stopped by a score on samples that are held out.

    Parameters
    ----------
    early_stopping : bool or "auto"
    validation : tuple (X, y, sample_weight)
        Of samples that the user holds out, each None if not given.

    Raises
    ------
    ValueError
        If part of them is missing, or they are not to be used.
    """
    X, y, sample_weight = validation
    given = X is not None
    if given != (y is not None):
        raise ValueError(f"X_val and y_val go together: {'y_val' if given else 'X_val'} was not passed.")
    if sample_weight is not None and not given:
        raise ValueError("sample_weight_val goes with X_val and y_val, which were not passed.")
    if given and not early_stopping:
        raise ValueError("X_val and y_val are for early stopping: set early_stopping to 'auto' or True.")
    return given or (early_stopping != "auto" and bool(early_stopping))


def check_goes_on(params, loss, before, out_activation):
    """Check that the parameters are those of the network to go on with; warn of those that have no effect.

    Parameters
    ----------
    params : namespace
        Parameters of the estimator.
    loss : object of `skfastnn._losses`
    before : Before
    out_activation : str
        Of the network to go on with.
    """
    if loss.out_activation != out_activation:
        raise ValueError(
            f"The network to go on with has the output {out_activation!r}, this loss needs "
            f"{loss.out_activation!r}. Set warm_start=False to start anew."
        )
    given = before.start.given if before.start else {}
    ignored = [name for name, value in given.items() if repr(getattr(params, name)) != value]
    if ignored:
        warn(f"{' and '.join(ignored)} determine how a network starts: on one that goes on they have no effect.")


def checked_widths(params, n_features, before):
    """Return the widths of the hidden layers, and whether the user gave them.

    Raises
    ------
    ValueError
        If one has more neurons than can be numbered; if the network to go on with has others.
    """
    widths, given = choose_widths(params.hidden_layer_sizes, n_features)
    if max(widths, default=0) > np.iinfo(np.int32).max:
        raise ValueError(f"hidden_layer_sizes={params.hidden_layer_sizes!r}: a layer has less than 2**31 neurons.")
    if before is None:
        return widths, given
    sizes = [W.shape[1] for W in before.coefs[:-1]]
    if given and widths != sizes:
        raise ValueError(
            f"hidden_layer_sizes={params.hidden_layer_sizes!r}, but the network to go on with has "
            f"{' + '.join(map(str, sizes))} neurons. Set warm_start=False to start anew."
        )
    return sizes, given

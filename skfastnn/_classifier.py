"""FastReLUClassifier."""

from contextlib import contextmanager

import numpy as np
from scipy.sparse import issparse
from scipy.special import log_expit, log_softmax
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import compute_class_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, column_or_1d

from skfastnn._base import BaseFastReLU
from skfastnn._losses import BinaryLogLoss, SoftmaxLogLoss

# Up to as many labels scikit-learn does not ask whether they are numbers.
MAX_LABELS_WITHOUT_WARNING = 20


class FastReLUClassifier(ClassifierMixin, BaseFastReLU):
    """Classifier with wide ReLU layers that chooses what it is not told.

    Up to 2,000 samples the network is solved as a whole (Gauss-Newton), and what it sees and how much it is smoothed
    are chosen by leave-one-out error; beyond, it is trained by Adam, with a schedule chosen on held-out samples. Code
    written for :class:`sklearn.neural_network.MLPClassifier` works with it. Where wide layers have a threshold, only
    the neurons that fire are computed: a search structure finds them, every candidate is verified, and the result is
    that of the dense network.

    Parameters
    ----------
    hidden_layer_sizes : "auto", int or array-like of shape (n_layers - 2,), default="auto"
        Widths of the hidden layers. "auto" is one layer: of 4,096 neurons with "gauss_newton", 2,048 if that is left to
        itself and there are more than 1,000 samples; of 1,024 with "adam" on dense data, 512 on encoded ones or for
        more than 20 outputs, 128 on sparse data. It is less, though not below 256, where more than 2**24 weights would
        be needed. Layers of fewer than 2,048 neurons that are given are trained as in MLPClassifier. An empty sequence
        is a linear model.
    activation : {"relu"}, default="relu"
        Others are refused; MLPClassifier has them.
    solver : {"auto", "adam", "adam_gauss_newton", "gauss_newton", "lbfgs", "sgd"}, default="auto"
        "gauss_newton", for one hidden layer, reaches the accuracy of a kernel machine in a handful of iterations on the
        whole data. "adam" is lazy: a neuron that does not fire, and its moments, stand still, as in
        ``torch.optim.SparseAdam``; on sparse data so does a weight of a feature that none of the rows has.
        "adam_gauss_newton", for one hidden layer, learns features by up to `max_iter` epochs of "adam", then takes up
        to ten iterations of "gauss_newton" from there. "sgd" with momentum is the textbook's. "lbfgs" is "gauss_newton"
        where that would be chosen by "auto", and SciPy's L-BFGS on all parameters elsewhere. "auto" is "gauss_newton"
        for up to 2,000 samples and up to 20,000 outputs of samples, if no width below 2,048 and no second layer is
        asked for and the loss has curvature; and "adam" otherwise. With nothing set "adam" is tried there, too, unless
        `warm_start` or early stopping is asked for: by a classifier with a hundred neurons, by a regressor where a
        squared error has little noise. In `partial_fit` "auto" and "adam_gauss_newton" are "adam", the
        latter without a penalty.
    alpha : "auto", "loo" or float >= 0, default="auto"
        Penalty on the squared distance of the weights from their start. It does not pull the weights to zero: under a
        fixed threshold that would silence the network. Numbers are in the units of MLPClassifier. With "gauss_newton"
        it is the ridge in units of the mean diagonal of the tangent kernel; try 0.001 to 1 on noisy data. "auto" and
        "loo" take the ridge with the least leave-one-out error of the linearised network; "loo" also asks for
        "gauss_newton" on more samples. "auto" is 0 with "adam" and "sgd", 1e-4 with "lbfgs". With "adam_gauss_newton"
        the epochs of Adam are not penalised, and the ridge holds the weights to where they led.
    batch_size : "auto" or int, default="auto"
        "auto" is ``min(200, n_samples)``; with "adam" whose step falls (see `learning_rate`) it is a 32nd of the
        samples, between 32 and 200, and full batch up to 100. n_samples or more is full batch. With "gauss_newton" it
        is full batch for up to 20,000 samples and 2,000 beyond, and a number below 200 counts as 200; with
        "adam_gauss_newton" it is full batch whatever the batches of Adam.
    learning_rate : {"auto", "constant", "invscaling", "adaptive", "linear"}, default="auto"
        Schedule of the step size, for "sgd" and "adam"; as in MLPClassifier, and "linear" falls to zero over `max_iter`
        epochs. "auto" is "linear" with "adam" if `learning_rate_init` is "auto", over as many epochs as `max_iter`
        says; it is "constant" otherwise, in `partial_fit` and with `warm_start`.
    learning_rate_init : "auto" or float > 0, default="auto"
        Step size, in the units of MLPClassifier. With "sgd" it is capped by the largest step that is stable. "auto"
        takes it from the largest eigenvalue of the tangent kernel ("sgd"); with "adam" from the kind of network and
        data, a quarter of it where that does better on held-out samples; in `partial_fit` with "adam" it is 0.001, and
        less for wide networks and after a `fit`.
    power_t : float >= 0, default=0.5
        Exponent of "invscaling".
    max_iter : int, default=200
        Number of epochs, or of iterations of "gauss_newton" and "lbfgs", at most. "adam" whose step falls takes 12, 35
        or 100 epochs, chosen on a fifth of the samples that is held out; 35 to 100 of fewer than 100 samples, where
        nothing is held out, and 6 to 12 where more would take minutes. A limit below 100 is the number of epochs.
    shuffle : bool, default=True
        Whether to shuffle the samples in each epoch.
    random_state : int, RandomState instance or None, default=None
        Start of the weights, validation split and shuffling.
    tol : float >= 0, default=1e-4
        Progress below which an epoch counts as without improvement. "gauss_newton" on the full batch stops when an
        iteration gains, or the loss has left, less than ``10 * tol`` of the loss at the start; "lbfgs" when no
        component of the gradient is larger.
    verbose : bool, default=False
        Print a line per epoch; and one on each stage of the plan, to the standard error.
    warm_start : bool, default=False
        Go on from the weights of the last fit, with the same inputs; momentum and moments go on with them. Of what is
        chosen, the ridge of "gauss_newton" alone is chosen again; `selection_` stays that of the first fit.
    momentum : float in [0, 1], default=0.9
        Momentum of "sgd".
    nesterovs_momentum : bool, default=True
        Whether to use Nesterov's momentum.
    early_stopping : "auto" or bool, default="auto"
        Hold out a part of the samples, stop when the score on it does not improve, and keep the best weights. The
        number of epochs is not chosen beforehand then. "auto" does so, with all samples to train on, if `fit` is given
        `X_val` and `y_val`.
    validation_fraction : float in [0, 1), default=0.1
        Part that is held out, stratified by class unless multilabel; of no meaning with `X_val`.
    beta_1 : float in [0, 1), default=0.9
        Decay of the first moment of "adam".
    beta_2 : "auto" or float in [0, 1), default="auto"
        Decay of the second moment of "adam". "auto" is 0.95 where `learning_rate` and `learning_rate_init` are "auto",
        and 0.999 otherwise.
    epsilon : float > 0, default=1e-8
        Added to the root of the second moment of "adam".
    n_iter_no_change : int or inf, default=10
        Epochs without improvement before training stops.
    max_fun : int, default=15000
        Number of evaluations of the loss by "lbfgs" at most.
    encoding : {"auto", "none", "piecewise_linear"}, default="auto"
        What the network sees: the features as they are, or encoded by
        :class:`~skfastnn.preprocessing.PiecewiseLinearEncoder`, which takes NaN as a missing value. "auto" chooses, if
        `hidden_layer_sizes`, `solver`, `alpha` and `threshold` are "auto" too and the data are not sparse; with
        "gauss_newton" (for which X has to be a dense array) by leave-one-out error, among features as they are,
        standardised and encoded, each with or without learned scales of the features; with "adam" on held-out samples.
        It is "none" otherwise, and in `partial_fit`.
    threshold : "auto", float >= 0, or a list of them for the hidden layers, default="auto"
        Shift b of the ReLU in standard deviations of the pre-activations: a neuron fires where its pre-activation
        exceeds b. 0 is the plain ReLU; a higher one is faster for wide layers, often less accurate. "auto" is 0 by
        default on dense data (1 on up to 2,000 samples whose classes are told apart almost without error), with "adam"
        of a width that is not given, with widths below 2,048, with "lbfgs" and "adam_gauss_newton", and where there
        are four times as many features as samples. Elsewhere it is ``sqrt(0.4 ln m)`` for m neurons, at most 1 with
        "gauss_newton" or several hidden layers and at most 0.5 on sparse data. Data count as sparse where fewer than
        5 % of the numbers are other than zero, whether or not X is a sparse matrix.
    search : {"auto", "correlation_tree", "dense", "halfspace", "heavy_pairs", "quantized"}, default="auto"
        How the neurons that may fire are found. "dense" computes all; "quantized" multiplies bytes, and computes what
        their rounding leaves in doubt; "correlation_tree" bounds how far neurons have moved; "halfspace" asks boxes of
        rows, in up to about 16 features; their results agree to rounding. "auto" takes the one of them that a probe
        expects to be the fastest. "heavy_pairs" compares random signs of rows and neurons and is approximate: a pair
        that it misses does not fire in that step, see `firing_recall_`. It is slower than "dense" at the sizes that
        were measured.
    init : {"antisymmetric", "random"}, default="antisymmetric"
        "antisymmetric" starts with pairs of neurons whose outputs cancel, so that the network starts at zero.
    train_output : bool, default=True
        False freezes the output layer at its random signs, the setting of the theory.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Weights of the classes, multiplied into the sample weights.
    scoring : str, callable or None, default=None
        What early stopping watches: None is the accuracy, "loss" the mean loss; a name or a callable as of
        :func:`sklearn.metrics.check_scoring` is asked after each epoch, for which the weights are exported.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels; of a multilabel target the numbers of its columns.
    coefs_ : list of n_layers_ - 1 ndarray
        Weights between one layer and the next, laid out as MLPClassifier's: of shape (n_inputs, n_neurons), ...,
        (n_neurons, n_outputs). The first are those on ``encoder_.transform(X)`` if there is an encoder, on X if not;
        means and learned scales are in them.
    intercepts_ : list of n_layers_ - 1 ndarray
        Of shape (n_neurons,), ..., (n_outputs,); the threshold is part of them.
    encoder_ : PiecewiseLinearEncoder or None
        What encodes the features, fitted; None if the network takes them as they are.
    selection_ : list of dict
        What was tried when the network was drawn, one record each, in the order in which it was tried; empty if
        nothing was left to choose. All have "solver", "encoding", "learned_scales", "error" and "seconds". With
        "gauss_newton" the error is the leave-one-out error (mean squared error of standardised targets or of indicators
        of the classes) of an infinitely wide network at the ridge "alpha"; with "adam" it is the mean loss on held-out
        samples after "epochs" with "share_of_step" of the usual step, and "hidden_layer_sizes" and "threshold" (None:
        as `threshold` says) belong to it. Where a classifier tries both, the two are not in one unit: probabilities
        are made of what is predicted from all other samples, and their log-loss is compared. Where regressors try
        both, both are mean squared errors.
    plan_ : list of dict
        What was trained in the last call, one record for each stage, in words and numbers: one stage, or two with
        "adam_gauss_newton". What "auto" stood for is resolved: "hidden_layer_sizes", "threshold" (of each layer),
        "encoding", "learned_scales", "solver", "search", "batch_size", "max_iter", "alpha", "learning_rate" and
        "learning_rate_init" (None where they mean nothing). "share_of_output" is how far the output goes from a
        constant to what was trained: less than one where held-out samples said that it was too sure.
    feature_importances_ : ndarray of shape (n_features_in_,)
        Share of each feature in the gradient of what the chosen inputs predict; their sum is one. There only if the
        inputs were chosen for "gauss_newton".
    oob_decision_function_ : ndarray of shape (n_samples, n_classes)
        What each sample is predicted to be from all the others, in the shape of `predict_proba`: that of the infinitely
        wide network by which the inputs were chosen, fitted to indicators of the classes. There only if the inputs were
        chosen for "gauss_newton" and all samples were compared: not with early stopping, nor with weights of zero.
    loss_ : float
        Loss of the last epoch, without the penalty.
    loss_curve_ : list of float
        Mean loss of each epoch (of Gauss-Newton and L-BFGS: after each iteration), without the penalty; goes on in
        `partial_fit` and with `warm_start`.
    best_loss_ : float or None
        The least of them; None with early stopping.
    validation_scores_ : list of float or None
        Score on the held-out samples after each epoch, accuracy if not told another; None without early stopping.
    validation_loss_curve_ : list of float or None
        Mean loss on the held-out samples after each epoch, in the units of `loss_curve_`; None without early stopping.
    best_validation_score_ : float or None
        The best of them.
    firing_rate_ : list of float
        Fraction of (sample, neuron) pairs that fired in the last epoch, one number per hidden layer.
    firing_curve_ : list of float
        The same for each epoch; with several hidden layers a list of lists.
    firing_recall_ : float
        Estimated share of the firing pairs that the search found in the last call: with "heavy_pairs" from a sample
        of rows that were computed (1.0 if nothing fired there; a `RuntimeWarning` says when it is below 0.95),
        with all others 1.0.
    threshold_ : float, or list of float with several hidden layers
        As resolved.
    solver_ : str
        As resolved.
    search_ : str
        As resolved; "dense" where the memory did not suffice for the search structure.
    learning_rate_init_ : float
        As resolved, in the units of MLPClassifier; of no meaning for "gauss_newton" and "lbfgs".
    alpha_ : float
        As resolved; of "gauss_newton" the ridge that was chosen.
    search_counters_ : dict of int
        Operations of the search in the last call: visited, candidates, fired, refreshed, dot_products; with
        "heavy_pairs" also checked and found, of which `firing_recall_` is the quotient.
    n_iter_ : int
        Number of epochs, and of iterations of Gauss-Newton, of the last call.
    t_ : int
        Number of samples seen in all calls since the network was drawn.
    n_layers_ : int
        Number of layers, input and output included.
    n_outputs_ : int
        Number of outputs: 1 for two classes.
    out_activation_ : {"logistic", "softmax"}
        What turns the output into probabilities.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, if all are strings.

    See Also
    --------
    FastReLURegressor : The same network for regression.

    References
    ----------
    Alman, Liang, Song, Zhang, Zhuo, "Bypass Exponential Time Preprocessing: Fast Neural Network Training via
    Weight-Data Correlation Preprocessing", 2022, arXiv 2211.14227 (search).

    Deng, Hu, Song, Weinstein, Zhuo, "Training Overparametrized Neural Networks in Sublinear Time", 2022, arXiv
    2208.04508 (solver="gauss_newton").

    Qin, Mitra, Song, Yang, Zhou, "Fast Heavy Inner Product Identification Between Weights and Inputs in Neural Network
    Training", 2023, arXiv 2311.11429 (search="heavy_pairs").

    Weber, Schek, Blott, "A Quantitative Analysis and Performance Study for Similarity-Search Methods in
    High-Dimensional Spaces", VLDB 1998 (search="quantized").

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from skfastnn import FastReLUClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, train_size=500, random_state=0)
    >>> clf = FastReLUClassifier(random_state=0).fit(X_train, y_train)
    >>> bool(clf.score(X_test, y_test) > 0.96)
    True
    >>> clf.solver_
    'gauss_newton'
    """

    _parameter_constraints: dict = {
        **BaseFastReLU._parameter_constraints,
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }

    def __init__(
        self, hidden_layer_sizes="auto", activation="relu", *, solver="auto", alpha="auto", batch_size="auto",
        learning_rate="auto", learning_rate_init="auto", power_t=0.5, max_iter=200, shuffle=True,
        random_state=None, tol=1e-4, verbose=False, warm_start=False, momentum=0.9, nesterovs_momentum=True,
        early_stopping="auto", validation_fraction=0.1, beta_1=0.9, beta_2="auto", epsilon=1e-8, n_iter_no_change=10,
        max_fun=15_000, encoding="auto", threshold="auto", search="auto", init="antisymmetric", train_output=True,
        class_weight=None, scoring=None,
    ):  # fmt: skip
        self._set(locals())

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _validate_target(self, y, first_call, incremental, classes):
        if issparse(y):
            y = y.toarray()
        kind = _type_of_target(y, incremental)
        if kind == "multiclass-multioutput":
            raise ValueError("Multiclass-multioutput targets are not supported; fit one classifier per output.")
        multilabel = kind == "multilabel-indicator"
        if multilabel:
            y = np.asarray(y)
            if classes is not None and not np.array_equal(classes, np.arange(y.shape[1])):
                raise ValueError(
                    f"The classes of a multilabel y are its columns, numbered from 0: classes must be None or "
                    f"range({y.shape[1]}), got {classes!r}."
                )
        else:
            y = y if y.ndim == 1 else column_or_1d(y, warn=True)
        if first_call:
            if incremental and classes is None and not multilabel:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            with labels_in_order("classes"):
                self._label_binarizer = LabelBinarizer().fit(y if classes is None or multilabel else classes)
            self.classes_ = self._label_binarizer.classes_
        else:
            with labels_in_order("classes"):
                self._check_same_kind(y, multilabel, incremental, classes)
        with labels_in_order("y"):
            unknown = np.setdiff1d(y, self.classes_)
        if not multilabel and unknown.size:
            raise ValueError(f"`y` has classes that are not in `classes_`: {unknown}; known are {self.classes_}.")
        return y

    def _validate_held_out_target(self, y, trained):
        y = np.asarray(y.toarray() if issparse(y) else y)
        if trained.ndim == 2:
            if y.shape[1:] != trained.shape[1:] or not np.isin(y, (0, 1)).all():
                raise ValueError(
                    f"y_val must be an indicator matrix of {trained.shape[1]} labels, got shape {y.shape}."
                )
            return y
        y = column_or_1d(y, warn=True)
        with labels_in_order("y_val"):
            unknown = np.setdiff1d(y, self.classes_)
        if unknown.size:
            raise ValueError(f"`y_val` has classes that are not in `classes_`: {unknown}; known are {self.classes_}.")
        return y

    def _check_same_kind(self, y, multilabel, incremental, classes):
        """Check that the target goes with that of the network to go on with."""
        if multilabel != self._is_multilabel() or (multilabel and y.shape[1] != self.n_outputs_):
            earlier = f"{self.n_outputs_} labels per sample" if self._is_multilabel() else "one label per sample"
            raise ValueError(f"`y` has shape {y.shape}, but on the last call it had {earlier}.")
        if classes is not None and not multilabel and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"`classes={classes!r}` is not the same as on the last call: {self.classes_!r}.")
        if not incremental and not multilabel and not np.array_equal(np.unique(y), self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {np.unique(y)}."
            )

    def _is_multilabel(self):
        return self._label_binarizer.y_type_ == "multilabel-indicator"

    _left_out_names = ("oob_decision_function_",)

    def _keep_left_out(self, prediction):
        # of indicators of classes by squared error: near probabilities, and made such
        share = np.clip(prediction, 0.0, 1.0)
        if self._is_multilabel():
            self.oob_decision_function_ = share
            return
        if share.shape[1] == 1:
            share = np.column_stack([1 - share, share])[:, -self.classes_.size :]
        total = share.sum(axis=1, keepdims=True)
        uniform = np.full_like(share, 1 / share.shape[1])
        self.oob_decision_function_ = np.divide(share, total, out=uniform, where=total > 0)

    def _encode_target(self, y):
        if self._is_multilabel():
            return y
        code = np.searchsorted(self.classes_, y)
        if self._label_binarizer.y_type_ == "multiclass":
            return np.eye(self.classes_.size)[code]
        return code[:, None]

    def _make_loss(self):
        if self._label_binarizer.y_type_ == "multiclass":
            return SoftmaxLogLoss()
        return BinaryLogLoss()

    def _weigh_samples(self, y, sample_weight):
        # weights of classes count the weights of samples, so that weight k is the same as k copies
        if self.class_weight is None:
            return sample_weight
        weight = sample_weight.astype(np.float64)
        if y.ndim == 1:
            weight *= _weight_of_labels(self.class_weight, self.classes_, y, sample_weight)
        else:
            each = [self.class_weight] * y.shape[1] if self.class_weight == "balanced" else self.class_weight
            if not isinstance(each, list) or len(each) != y.shape[1]:
                raise ValueError("For a multilabel y, class_weight must be 'balanced' or a list of one dict per label.")
            for class_weight, column in zip(each, y.T, strict=True):
                weight *= _weight_of_labels(class_weight, np.unique(column), column, sample_weight)
        return weight.astype(sample_weight.dtype)

    def _strata(self, y, n_held_out):
        if y.ndim == 2:
            return None
        _, counts = np.unique(y, return_counts=True)
        possible = counts.min() >= 2 and counts.size <= min(n_held_out, y.size - n_held_out)
        return y if possible else None

    def _score_raw(self, raw, y, sample_weight):
        return accuracy_score(y, self._labels(raw), sample_weight=sample_weight)

    def _labels(self, raw):
        """Return the labels for the output before its activation."""
        if self._is_multilabel():
            return (raw > 0).astype(int)
        if raw.shape[1] > 1:
            return self.classes_[raw.argmax(axis=1)]
        return self.classes_[(raw[:, 0] > 0).astype(np.intp) if self.classes_.size > 1 else np.zeros(len(raw), int)]

    def _has_partial_fit(self):
        return self.solver not in ("gauss_newton", "lbfgs")

    @available_if(_has_partial_fit)
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Train for one epoch on some data: go on from the calls before, or from a `fit`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows. They need not be scaled: location and scale of all rows so far are followed.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Class labels, or a label indicator matrix of 0 and 1.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight k counts as k copies of the row, beside the others of this call.
        classes : array-like of shape (n_classes,), default=None
            All classes; needed on the first call, optional later. Of an indicator matrix None will do.

        Returns
        -------
        self : FastReLUClassifier
            The estimator; after an error it is as it was.

        Raises
        ------
        ValueError
            If `classes` is missing on the first call or another than before; if `y` has other classes; if the number of
            features differs from that of the calls before; if numbers are not finite; with class_weight="balanced" or
            early_stopping=True, which need all rows.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from skfastnn import FastReLUClassifier
        >>> X, y = load_digits(return_X_y=True)
        >>> model = FastReLUClassifier(random_state=0)
        >>> for start in range(0, 1500, 50):
        ...     model = model.partial_fit(X[start : start + 50], y[start : start + 50], classes=range(10))
        >>> bool(model.score(X[1500:], y[1500:]) > 0.7)
        True
        """
        if self.class_weight == "balanced":
            raise ValueError("class_weight='balanced' is not supported by partial_fit: pass sample_weight instead.")
        return self._partial_fit(X, y, sample_weight, classes)

    def decision_function(self, X):
        """Return the output of the network before softmax or sigmoid.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, with as many features as in `fit`; NaN where a missing value is taken.

        Returns
        -------
        scores : ndarray of shape (n_samples,) for two classes, else (n_samples, n_classes), float32 or float64
            Logarithms of odds for two classes and for labels: positive where the second class, or the label, is more
            probable than not.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If X has another number of features or numbers that are not finite, or if an output is too large for its
            type.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skfastnn import FastReLUClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = FastReLUClassifier(random_state=0).fit(X, y)
        >>> model.decision_function(X[:2]).shape
        (2, 3)
        """
        check_is_fitted(self)
        raw = self._raw_output(X)
        return raw if raw.shape[1] > 1 or self._is_multilabel() else raw.ravel()

    def predict(self, X):
        """Return the predicted labels: for each row the most probable class, or all labels above one half.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, with as many features as in `fit`; NaN where a missing value is taken.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Classes, of the type of `classes_`; of a multilabel target 0 and 1.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If X has another number of features or numbers that are not finite, or if an output is too large for its
            type.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skfastnn import FastReLUClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = FastReLUClassifier(random_state=0).fit(X, y)
        >>> model.predict(X[[0, 60, 120]])
        array([0, 1, 2])
        """
        check_is_fitted(self)
        return self._labels(self._raw_output(X))

    def predict_proba(self, X):
        """Return the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, with as many features as in `fit`; NaN where a missing value is taken.

        Returns
        -------
        probability : ndarray of shape (n_samples, n_classes), float32 or float64
            Between 0 and 1, in the order of `classes_`. Rows sum to one, unless multilabel.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If X has another number of features or numbers that are not finite, or if an output is too large for its
            type.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skfastnn import FastReLUClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = FastReLUClassifier(random_state=0).fit(X, y)
        >>> model.predict_proba(X[:1]).round(1)
        array([[1., 0., 0.]])
        """
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X):
        """Return the natural logarithm of `predict_proba`, without the rounding of small probabilities to zero.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, with as many features as in `fit`; NaN where a missing value is taken.

        Returns
        -------
        log_probability : ndarray of shape (n_samples, n_classes), float32 or float64
            At most zero, in the order of `classes_`.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If X has another number of features or numbers that are not finite, or if an output is too large for its
            type.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skfastnn import FastReLUClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = FastReLUClassifier(random_state=0).fit(X, y)
        >>> bool((model.predict_log_proba(X) <= 0).all())
        True
        """
        check_is_fitted(self)
        raw = self._raw_output(X)
        if self._label_binarizer.y_type_ == "multiclass":
            return log_softmax(raw, axis=1)
        if self._is_multilabel():
            return log_expit(raw)
        if self.classes_.size == 1:
            return np.zeros_like(raw)
        return np.hstack([log_expit(-raw), log_expit(raw)])


@contextmanager
def labels_in_order(name):
    """Say in words that labels cannot be put in order, numbers beside strings or None."""
    try:
        yield
    except TypeError as error:
        if "not supported between" not in str(error):
            raise
        raise TypeError(f"{name} has labels of several types: make them all numbers, or all strings.") from error


def _type_of_target(y, incremental):
    """Return the type of y, as scikit-learn names it, checked to be one of labels.

    The labels of a part of a stream may be nearly all different, which is no sign of numbers: few are looked at.
    """
    part = y
    if incremental and np.ndim(y) == 1 and len(y):
        y = np.asarray(y)
        if y.dtype.kind in "biu":  # whole numbers are labels, and to find out which kind takes as long as a step
            return "multiclass"
        part = y[:MAX_LABELS_WITHOUT_WARNING]
        if y.dtype.kind == "f" and not np.array_equal(y, np.floor(y)):
            part = y
    kind = type_of_target(part)
    if kind not in ("binary", "multiclass", "multilabel-indicator", "multiclass-multioutput"):
        check_classification_targets(part)
    return kind


def _weight_of_labels(class_weight, classes, y, sample_weight):
    """Return the class weight of each sample, ndarray of shape (n_samples,)."""
    code = np.searchsorted(classes, y)
    if class_weight == "balanced":
        total = np.bincount(code, weights=sample_weight, minlength=classes.size)
        present = total > 0
        weight = total.sum() / (present.sum() * np.where(present, total, 1.0))
    else:
        weight = compute_class_weight(class_weight, classes=classes, y=y)
    return weight[code]

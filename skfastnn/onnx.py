"""Converters for skl2onnx, which does not look for those of other packages: `register` tells it.

The graph is what `predict` computes: encoder (in float64, whatever the type of the input), matrix products, ReLU, and
the activation of the output, in the type of the input. Needs ``pip install "skfastnn[onnx]"``.
"""

import numpy as np

from skfastnn._classifier import FastReLUClassifier
from skfastnn._prediction import checked_weights
from skfastnn._regressor import FastReLURegressor
from skfastnn.preprocessing import HIGH, LOW, MISSING, ORIGIN, SHIFT, SLOPE, PiecewiseLinearEncoder

CLASSIFIER_OPTIONS = {"zipmap": [True, False, "columns"], "output_class_labels": [False, True], "nocl": [True, False]}


def register():
    """Let skl2onnx convert FastReLUClassifier, FastReLURegressor and PiecewiseLinearEncoder, alone and in pipelines.

    In a pipeline they are the last step, or the encoder an earlier one: `transform` of a network is not converted. It
    is to be called once, before `skl2onnx.to_onnx`; a second call changes nothing. Inputs in float32 or float64 keep
    their type. To convert a classifier that has seen one class only raises a RuntimeError.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import skfastnn.onnx
    >>> from skl2onnx import to_onnx
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> network = skfastnn.FastReLUClassifier((64,), learning_rate_init=0.01, random_state=0).fit(X, y)
    >>> skfastnn.onnx.register()
    >>> model = to_onnx(network, X[:1].astype(np.float32), options={"zipmap": False})
    >>> [output.name for output in model.graph.output]
    ['label', 'probabilities']
    """
    from skl2onnx import update_registered_converter

    update_registered_converter(
        FastReLUClassifier, "SkfastnnFastReLUClassifier", _classifier_shapes, _convert_classifier,
        options=CLASSIFIER_OPTIONS,
    )  # fmt: skip
    update_registered_converter(FastReLURegressor, "SkfastnnFastReLURegressor", _regressor_shapes, _convert_regressor)
    update_registered_converter(
        PiecewiseLinearEncoder, "SkfastnnPiecewiseLinearEncoder", _encoder_shapes, _convert_encoder
    )


class _Graph:
    """Nodes that are added one behind the other; values are named by what `add` returns."""

    def __init__(self, scope, operator, container):
        from skl2onnx.common.data_types import DoubleTensorType
        from skl2onnx.proto import onnx_proto

        self.scope, self.container, self.types = scope, container, onnx_proto.TensorProto
        double = isinstance(operator.inputs[0].type, DoubleTensorType)
        self.dtype = np.float64 if double else np.float32
        self.input = self.cast(operator.inputs[0].full_name, self.dtype)

    def add(self, kind, *inputs, into=None, **attributes):
        """Add a node; arrays among its inputs become constants. `into` names an output of the whole graph."""
        out = self.scope.get_unique_variable_name(kind.lower()) if into is None else into
        names = [name if isinstance(name, str) else self.constant(name) for name in inputs]
        name = self.scope.get_unique_operator_name(kind)
        self.container.add_node(kind, names, out, name=name, op_version=13, **attributes)
        return out

    def constant(self, values):
        name = self.scope.get_unique_variable_name("constant")
        values = np.asarray(values)
        kind = self._type(values.dtype)
        flat = [text.encode("utf-8") for text in values.ravel()] if kind == self.types.STRING else values.ravel()
        self.container.add_initializer(name, kind, values.shape, flat)
        return name

    def cast(self, value, dtype, into=None):
        return self.add("Cast", value, into=into, to=self._type(np.dtype(dtype)))

    def _type(self, dtype):
        names = {"f4": "FLOAT", "f8": "DOUBLE", "i8": "INT64"}
        return getattr(self.types, names.get(dtype.str[1:], "STRING"))

    def encode(self, encoder):
        """Add what `encoder._encode` does to the input."""
        table = encoder._table
        wide = self.add("Mul", self.cast(self.input, np.float64), encoder._unit[None])
        wide = self.add("Gather", wide, encoder.feature_indices_.astype(np.int64), axis=1)
        code = self.add("Mul", self.add("Sub", wide, table[ORIGIN]), table[SLOPE])
        code = self.add("Sub", self.add("Min", self.add("Max", code, table[LOW]), table[HIGH]), table[SHIFT])
        return self.cast(self.add("Where", self.add("IsNaN", wide), table[MISSING], code), self.dtype)

    def network(self, estimator):
        """Add the encoder and the layers; return the output before its activation."""
        value = self.input if estimator.encoder_ is None else self.encode(estimator.encoder_)
        n_inputs = len(estimator.coefs_[0])
        layers = checked_weights(estimator.coefs_, estimator.intercepts_, n_inputs, estimator.n_outputs_)
        for i, (W, c) in enumerate(zip(*layers, strict=True)):
            value = self.add("Relu", value) if i else value
            value = self.add("Add", self.add("MatMul", value, W.astype(self.dtype)), c.astype(self.dtype)[None])
        return value


def _classifier_shapes(operator):
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes

    calculate_linear_classifier_output_shapes(operator)
    if operator.raw_operator._label_binarizer.y_type_ == "multilabel-indicator":
        operator.outputs[0].type.shape = operator.outputs[1].type.shape


def _convert_classifier(scope, operator, container):
    graph, estimator = _Graph(scope, operator, container), operator.raw_operator
    label, probability = (output.full_name for output in operator.outputs)
    if estimator.classes_.size == 1:
        raise RuntimeError(f"There is nothing to convert: the network knows {estimator.classes_} alone.")
    raw = graph.network(estimator)
    kind = estimator._label_binarizer.y_type_
    zero = np.zeros(1, dtype=graph.dtype)
    if kind == "multilabel-indicator":
        graph.add("Sigmoid", raw, into=probability)
        graph.cast(graph.add("Greater", raw, zero), np.int64, into=label)
        return
    if kind == "multiclass":
        graph.add("Softmax", raw, into=probability, axis=1)
        index = graph.add("ArgMax", raw, axis=1, keepdims=0)
    else:
        graph.add("Sigmoid", graph.add("Concat", graph.add("Neg", raw), raw, axis=1), into=probability)
        index = graph.cast(graph.add("Reshape", graph.add("Greater", raw, zero), np.array([-1])), np.int64)
    graph.add("Gather", _labels(scope, estimator), index, into=label, axis=0)


def _labels(scope, estimator):
    """Return the labels as integers or strings, as ONNX has them."""
    from skl2onnx.common.utils_classifier import get_label_classes

    labels = np.asarray(get_label_classes(scope, estimator))
    return labels.astype(np.int64) if labels.dtype.kind in "iufb" else labels.astype(str)


def _convert_regressor(scope, operator, container):
    graph, estimator = _Graph(scope, operator, container), operator.raw_operator
    raw = graph.network(estimator)
    graph.add("Exp" if estimator.out_activation_ == "exp" else "Identity", raw, into=operator.outputs[0].full_name)


def _regressor_shapes(operator):
    _set_output_shape(operator, operator.raw_operator.n_outputs_)


def _convert_encoder(scope, operator, container):
    graph = _Graph(scope, operator, container)
    graph.add("Identity", graph.encode(operator.raw_operator), into=operator.outputs[0].full_name)


def _encoder_shapes(operator):
    _set_output_shape(operator, operator.raw_operator.feature_indices_.size)


def _set_output_shape(operator, n_columns):
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    source = operator.inputs[0]
    kind = DoubleTensorType if isinstance(source.type, DoubleTensorType) else FloatTensorType
    operator.outputs[0].type = kind([source.get_first_dimension(), n_columns])

"""The stubs of the compiled modules say what is in them."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import skfastnn

SOURCES = Path(__file__).parents[2] / "skfastnn"
REQUIRED = "required"
STUBS = sorted(path.relative_to(SOURCES) for path in SOURCES.glob("**/*.pyi"))


def test_every_compiled_module_has_a_stub():
    compiled = {path.relative_to(SOURCES).with_suffix(".pyi") for path in SOURCES.glob("**/*.pyx")}
    assert compiled == set(STUBS)


def declared(body):
    """Return what a stub declares: names, and for functions and classes their nodes."""
    names = {}
    for node in body:
        if isinstance(node, ast.AnnAssign):
            names[node.target.id] = None
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names[node.name] = node
    return names


def defined(namespace, module):
    """Return the public things of a module or a class that are made there, and not imported."""
    return {
        name: value
        for name, value in vars(namespace).items()
        if not name.startswith("_") and not inspect.ismodule(value) and getattr(value, "__module__", module) == module
    }


def parameters_of_stub(node):
    arguments = node.args
    plain = arguments.posonlyargs + arguments.args
    defaults = [REQUIRED] * (len(plain) - len(arguments.defaults)) + arguments.defaults
    return [
        (argument.arg, value if value is REQUIRED else ast.literal_eval(value))
        for argument, value in zip(plain, defaults, strict=True)
    ]


def parameters_of(function):
    return [
        (name, REQUIRED if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
    ]


def differences(stub, actual, module, where):
    """Yield what a stub and a module, or a class of either, do not agree on."""
    said, there = declared(stub), defined(actual, module)
    for name in said.keys() ^ there.keys():
        # parameters of constructors are not to be seen in a compiled class, nor are attributes that instances get
        if not name.startswith("_") and not (said.get(name, 0) is None and where):
            yield f"{where}{name} is in the {'stub' if name in said else 'module'} alone"
    for name in said.keys() & there.keys():
        node, value = said[name], there[name]
        if isinstance(node, ast.ClassDef):
            yield from differences(node.body, value, module, f"{name}.")
        elif isinstance(node, ast.FunctionDef) and callable(value):
            if parameters_of_stub(node) != parameters_of(value):
                yield f"{where}{name} takes {parameters_of(value)}, the stub says {parameters_of_stub(node)}"
        elif isinstance(node, ast.FunctionDef) and not node.decorator_list:
            yield f"{where}{name} is no function"


@pytest.mark.parametrize("stub", STUBS, ids=str)
def test_stubs_say_what_compiled_modules_have(stub):
    module = importlib.import_module(".".join([skfastnn.__name__, *stub.with_suffix("").parts]))
    assert not list(differences(ast.parse((SOURCES / stub).read_text()).body, module, module.__name__, ""))

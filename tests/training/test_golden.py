"""Small fits of every kind give what they gave when they were recorded, see `golden.py`."""

import json

import pytest
from numpy.testing import assert_allclose

import golden
from skfastnn.passes.shared._products import wide_products

RECORDED = json.loads(golden.FILE.read_text())
# Processors round differently, and steps multiply it: bits are compared on one machine, by `golden.py checksums`.
TOLERANCE = {"rtol": 2e-3, "atol": 2e-4}
TOLERANCE_OF_FLOAT32 = {"rtol": 3e-2, "atol": 3e-3}


def test_every_case_is_recorded():
    assert RECORDED.keys() == golden.CASES.keys()


@pytest.mark.parametrize("name", golden.CASES)
def test_fit_is_as_recorded(name):
    tolerance = TOLERANCE_OF_FLOAT32 if "float32" in name else TOLERANCE
    found, expected = golden.record(name), RECORDED[name]
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        if key == "search_" and not wide_products():
            continue  # what an engine costs depends on the instructions there are; what it finds does not
        if isinstance(value, list):
            assert_allclose(found[key], value, err_msg=key, **tolerance)
        else:
            assert found[key] == value, key

"""What holds for all tests."""

import pytest

from skfastnn.passes._worth import set_worth_a_thread


@pytest.fixture(autouse=True)
def threads_for_the_smallest_loop():
    """Data of tests are small: without this, loops would not use the threads that a test gives them."""
    before = set_worth_a_thread(1e-3)
    yield
    set_worth_a_thread(before)

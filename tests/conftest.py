"""What tests of several folders share: made once in a worker, however many files ask for it."""

from tests.api_server import api_server
from tests.slow_tests import pytest_collection_modifyitems, pytest_runtest_setup

__all__ = ["api_server", "pytest_collection_modifyitems", "pytest_runtest_setup"]

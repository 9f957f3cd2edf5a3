"""What tests of several folders share: made once in a worker, however many files ask for it."""

from tests.api_server import api_server

__all__ = ["api_server"]

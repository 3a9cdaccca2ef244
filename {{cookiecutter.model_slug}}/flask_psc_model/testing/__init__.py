"""Test cases for a model's app, in this process or behind its real server."""

from ..model.cases import find_case_file
from .app_case import AppTestCase
from .cases import AutoAppTestCase, LiveAppTestCase
from .live_server import LiveServer

__all__ = [
    "AppTestCase",
    "AutoAppTestCase",
    "LiveAppTestCase",
    "LiveServer",
    "find_case_file",
]

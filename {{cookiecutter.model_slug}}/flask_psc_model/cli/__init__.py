"""The commands, a module each; `python -m flask_psc_model` lists them.

The image's health check imports this package every time: it imports little.
"""

from ..errors import exit_with_error

__all__ = ["exit_with_error"]

"""Refuses answers that `--replay` brought past the check in cookiecutter.json.

The check is done while Cookiecutter renders this file: its filter stops the
generation, and what is left of it does nothing.
"""

# {{ cookiecutter | check_answers }}

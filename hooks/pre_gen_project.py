"""Refuses answers that `--replay` brought past the check in cookiecutter.json, and notes what is in the folder already.

Both are done while Cookiecutter renders this file: its filters stop the
generation, and what is left of it does nothing.
"""

# {{ cookiecutter | check_answers }}
# {{ cookiecutter | note_existing_files }}

"""Refuses answers that `--replay` brought past the check in cookiecutter.json, and notes what is in the folder already.

Both are done while Cookiecutter renders this file: its filters stop the generation.
"""

# {{ cookiecutter | check_answers }}
# {{ cookiecutter | note_existing_files }}

# {% if cookiecutter.runtime == "package" +%}
import os
import sys

# The last hook relies on it: what is in the folder after this was rendered, and is not the user's.
if os.path.exists("flask_psc_model"):
    sys.exit(
        f"error: {os.path.abspath('flask_psc_model')} would hide the package of that name: move it away,"
        " or answer runtime=vendored. Nothing was changed."
    )
# {% endif +%}

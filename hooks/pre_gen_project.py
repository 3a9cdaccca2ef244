"""Refuses answers that `--replay` brought past the check in cookiecutter.json, and notes what is in the folder already.

Both are done while Cookiecutter renders this file: its filters stop the generation.
"""

import json
import sys
from pathlib import Path

# {{ cookiecutter | check_answers }}
# {{ cookiecutter | note_existing_files }}
(RUNTIME,) = json.loads(r"""[{{ cookiecutter.runtime | tojson }}]""")

# The last hook relies on it: what is in the folder after this was rendered, and is not the user's.
if RUNTIME == "package" and Path("flask_psc_model").exists():
    sys.exit(
        f"error: {Path('flask_psc_model').absolute()} would hide the package of that name: move it away,"
        " or answer runtime=vendored. Nothing was changed."
    )

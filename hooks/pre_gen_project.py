"""Validates answers again (for --replay) and records existing files.

Both steps happen while Cookiecutter renders this file: a filter that raises an error stops the generation.
"""

# {{ cookiecutter | ignore_settings }}
# {{ cookiecutter | check_answers }}
# {{ cookiecutter | complete }}
# {{ cookiecutter | record_existing_files }}

# {% if cookiecutter.runtime == "package" +%}
import os
import sys

# The last hook relies on this: it removes the folder that was rendered, which must not be the user's.
if os.path.exists("flask_psc_model"):
    sys.exit(
        f"error: {os.path.abspath('flask_psc_model')} would hide the package of that name: move it away,"
        " or use runtime=vendored. Nothing was changed."
    )
# {% endif +%}

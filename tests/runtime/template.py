"""Where the template is: the folder that becomes the generated repository."""

import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TEMPLATE = os.path.join(ROOT, "{{cookiecutter.model_slug}}")

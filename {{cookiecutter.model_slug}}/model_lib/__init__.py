{% if cookiecutter.framework in ("tensorflow", "keras") %}
"""The model; what is set here holds before TensorFlow is imported."""

import os

# Only errors are logged.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
{% if cookiecutter | version >= (2, 18) %}
# oneDNN announces itself all the same, and rounds otherwise than a GPU. With 1, some
# networks are faster on the CPU.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
{% endif %}
{% if cookiecutter.accelerator == "cuda" %}
# The GPU's memory is taken as it is needed, so that several processes can share it.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
{% endif %}
{% if cookiecutter.framework == "keras" and cookiecutter | version >= (2, 16) %}
# Keras runs on TensorFlow, whatever the user's settings say.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
{% endif %}
{% endif %}

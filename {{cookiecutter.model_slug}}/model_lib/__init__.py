{% if cookiecutter.framework in ("tensorflow", "keras") %}
"""The model, and settings that must precede the import of TensorFlow."""

import os

# Log errors only.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
{% if cookiecutter | version >= (2, 18) %}
# oneDNN logs a line at each start, and rounds differently from a GPU. Set it to 1 to
# run some networks faster on the CPU.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
{% endif %}
{% if cookiecutter.accelerator == "cuda" %}
# Allocate GPU memory on demand, so that several processes can share a GPU.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
{% endif %}
{% if cookiecutter.framework == "keras" and cookiecutter | version >= (2, 16) %}
# Run Keras on TensorFlow, whatever the user's Keras settings.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
{% endif %}
{% endif %}

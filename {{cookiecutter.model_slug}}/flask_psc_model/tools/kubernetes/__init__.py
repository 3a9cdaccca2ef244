"""Kubernetes manifests for the model: `server.yaml` and `job.yaml`, filled in.

The two files hold every choice, with its reason. `values` reads what they are filled in
with, and `manifests` fills them in.
"""

"""The commands: run each as `python -m flask_psc_model.cli.NAME --help`."""

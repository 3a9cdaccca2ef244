"""The model: its interface, how it is loaded, and `model.yaml`, which describes it."""

import logging

# a library logs nothing by itself: the program that uses it sets up the log. Every
# module that logs imports this package
logging.getLogger("flask_psc_model").addHandler(logging.NullHandler())

"""The tests of the runtime `flask_psc_model`, on Python 3.6 and later.

Run them with `pytest tests/runtime`, or on every interpreter of this machine with
`pytest tests/test_interpreters.py`. They need pytest, hypothesis and what the runtime
itself needs.
"""

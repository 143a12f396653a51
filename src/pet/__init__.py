"""PET, the backend of a music network.

Read `app.py` first: it is the one place that knows every part and wires them together.
"""

"""The Python API: the classes programs of the predecessor use, as thin faces on the real parts (docs/python-api.md)."""

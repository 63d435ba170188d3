"""Random faults against a running pipeline: `python -m tests.torture --rounds 200 --seed 7` (see __main__.py)."""

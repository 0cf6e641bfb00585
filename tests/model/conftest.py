"""Hypothesis in this folder: the same examples on every run, so that a red build can be repeated at once.

THALWEG_EXPLORE=n draws n new random examples of each machine instead; a failure prints what to paste to repeat it.
"""

import os

from hypothesis import HealthCheck, settings

EXPLORE = int(os.environ.get("THALWEG_EXPLORE", "0"))

settings.register_profile(
    "thalweg",
    derandomize=not EXPLORE,
    max_examples=EXPLORE or 60,
    stateful_step_count=40,
    print_blob=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("thalweg")

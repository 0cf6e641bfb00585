"""What Hypothesis draws for the state machines: the same on every run, so that a red build can be repeated at once.

THALWEG_EXPLORE=n draws n new random ones instead; a failure prints what to paste to repeat it.
"""

import os

from hypothesis import HealthCheck, settings

EXPLORE = int(os.environ.get("THALWEG_EXPLORE", "0"))

MACHINE_SETTINGS = settings(
    derandomize=not EXPLORE,
    max_examples=EXPLORE or 200,
    stateful_step_count=40,
    print_blob=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

"""What Hypothesis draws: the same on every run, so that a red build can be repeated at once.

THALWEG_EXPLORE=n draws n new random ones instead; a failure prints what to paste to repeat it.
"""

import os

from hypothesis import HealthCheck, settings

EXPLORE = int(os.environ.get("THALWEG_EXPLORE", "0"))


def examples(number: int) -> settings:
    """So many, the same ones each time."""
    return settings(
        derandomize=not EXPLORE,
        max_examples=EXPLORE or number,
        print_blob=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


MACHINE_SETTINGS = settings(examples(200), stateful_step_count=40)

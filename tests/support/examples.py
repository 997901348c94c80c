"""The settings of hypothesis; `tests/conftest.py` loads them."""

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "suite", max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")

# For slow examples: shrinking one that fails would take minutes. None is kept, since Hypothesis
# would not shrink it later either.
AS_FOUND = settings(phases=(Phase.explicit, Phase.generate), database=None)

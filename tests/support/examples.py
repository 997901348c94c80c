"""How Hypothesis tries examples in these tests; `tests/conftest.py` loads this for all of them."""

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "suite", max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")

# For examples that take long: to make one that fails smaller would take minutes. None is kept,
# since Hypothesis takes what it kept for as small as can be.
AS_FOUND = settings(phases=(Phase.explicit, Phase.generate), database=None)

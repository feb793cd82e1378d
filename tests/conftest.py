"""What all tests share."""

from hypothesis import HealthCheck, settings

# The time of an example says nothing: the first one loads PROJ's grids or compiles a codec.
settings.register_profile(
    "deepsentinel", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("deepsentinel")

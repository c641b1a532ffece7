"""How hypothesis searches for counterexamples here: by number of examples, never by the clock of a busy machine."""

from hypothesis import HealthCheck, settings

settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

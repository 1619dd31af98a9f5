"""Property tests here may take as long as a busy machine needs: no test judges by time."""

from hypothesis import settings

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

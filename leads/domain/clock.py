"""Whoever needs the present moment is given a clock, so that a test can say what time it is."""

from collections.abc import Callable
from datetime import datetime

Clock = Callable[[], datetime]
"""Tells the present moment, UTC."""

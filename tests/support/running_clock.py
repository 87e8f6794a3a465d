"""A clock for stages on which real people and processes act, and time goes by."""

from __future__ import annotations

import time

from datetime import datetime, timedelta

from models.clock import FixedClock


class RunningClock(FixedClock):
    """Noon of the tests, and going on from there."""

    def __init__(self, moment: datetime) -> None:
        self._began = time.monotonic()
        super().__init__(moment)

    @property
    def moment(self) -> datetime:
        return self._moment + timedelta(seconds=time.monotonic() - self._began)

    @moment.setter
    def moment(self, value: datetime) -> None:
        self._moment = value

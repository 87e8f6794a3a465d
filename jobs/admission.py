"""Lets visitors in from the waiting room of the web, in the process that runs only once."""

from __future__ import annotations

from jobs.timed import Task
from services.admission.admission_controller import AdmissionController
from services.campaign.campaigns import Campaigns
from services.store import Store

# Seconds.
ADMISSION_EVERY = 1.0


def admission_tasks(
    store: Store, campaigns: Campaigns, *, most: float = 0.0, mode: str = "auto"
) -> list[Task]:
    """One task each second; see `services.admission.admission_controller.AdmissionController`."""
    return [
        Task("inlet", ADMISSION_EVERY, AdmissionController(store, campaigns, most=most, mode=mode))
    ]

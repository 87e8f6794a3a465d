"""Which of several processes of a kind works, where a test says so."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SaidLead:
    """A lead (jobs.timed.Lead) that is this process's, or another's, from beginning to end."""

    ours: bool

    def is_ours(self) -> bool:
        return self.ours

    def lost_by_silence(self) -> bool:
        return False


ALONE, ANOTHER = SaidLead(ours=True), SaidLead(ours=False)

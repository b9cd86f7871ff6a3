"""What is here and what is not: `sat-zoo doctor`. Importing this imports no torch."""

from __future__ import annotations

from pathlib import Path

from zoo.doctor import data, devices, disk, hub, job, software, throughput, weights
from zoo.doctor.findings import Diagnosis, Line, Section, examined

__all__ = ["Diagnosis", "Line", "Section", "examine"]


def examine(data_dir: Path | None = None, *, quick: bool = False) -> Diagnosis:
    """Look at everything; writes nothing. `quick` leaves the three seconds of throughput out.

    data_dir: as `--data-dir` of a run.
    """
    sections = [
        examined("software", software.versions),
        examined("extras", software.extras),
        examined("devices", devices.lines),
        *([] if quick else [examined("throughput", throughput.lines)]),
        examined("hub", hub.lines),
        examined("weights", weights.lines),
        examined("data", lambda: data.lines(data_dir, data.common_places())),
        examined("disk", disk.lines),
        examined("default job", job.lines),
    ]
    return Diagnosis.of(sections, job.COMMAND)

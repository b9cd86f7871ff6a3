from io import StringIO

import pytest
from rich.console import Console

from zoo.cli.shared.doctor_page import print_page
from zoo.doctor.findings import Diagnosis, Line, Mark, Section


@pytest.mark.parametrize(
    ("mark", "needed", "shown"),
    [
        ("ok", False, "ok"),
        ("ok", True, "ok"),
        ("missing", False, "not needed"),
        ("missing", True, "missing"),
        ("broken", False, "broken"),
        ("broken", True, "broken"),
    ],
)
def test_what_the_default_job_can_do_without_is_not_called_missing(
    mark: Mark, needed: bool, shown: str
) -> None:
    fix = "" if mark == "ok" else "do it"
    line = Line(name="thing", mark=mark, says="found", fix=fix, needed=needed)
    page = StringIO()
    found = Diagnosis.of([Section(title="part", lines=(line,))], "run")
    print_page(found, Console(file=page, width=80))
    assert page.getvalue().splitlines()[1].split("  ")[0].startswith(f"{shown} ".rstrip())
    assert Diagnosis.model_validate_json(found.to_json()).sections[0].lines[0].mark == mark

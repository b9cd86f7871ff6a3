import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from zoo.cli import main


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@pytest.fixture
def sat_zoo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """Runs the command line in this process, as the console script does."""

    def run(*args: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["sat-zoo", *args])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, captured.out, captured.err)

    return run

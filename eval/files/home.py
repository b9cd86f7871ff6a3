"""Where everything lies that we keep between runs. No torch here."""

import os
from pathlib import Path


def home() -> Path:
    """The folder of everything we keep: `SAT_ZOO_HOME`, else the platform's user data folder."""
    chosen = os.environ.get("SAT_ZOO_HOME")
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("sat-zoo"))


def own_results() -> Path:
    """The folder of the Reports that the user keeps, `SAT_ZOO_HOME/results`; it may not exist."""
    return home() / "results"

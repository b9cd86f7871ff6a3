"""What AutoAttack means in three packages is read from those that are installed."""

import pytest
from click.testing import CliRunner

from eval.bench import autoattacks
from eval.errors import UsageError
from tests.bridged import bridged


def test_the_reference_has_the_hyper_parameters_of_our_versions() -> None:
    for n_classes in (10, 1000):
        theirs, mine = autoattacks.reference(n_classes), autoattacks.ours(n_classes)
        for name in autoattacks.VERSIONS:
            # FAB's loss is none to choose, and the order is that of the paper's table.
            assert theirs[name] == mine[name]


def test_torchattacks_is_shorter_and_aims_at_every_class() -> None:
    bridged("torchattacks")
    few, many = autoattacks.torchattacks(10), autoattacks.torchattacks(1000)
    mine = autoattacks.ours(1000)["standard"]
    assert [one.stage for one in many["standard"]] == [one.stage for one in mine]
    assert {one.steps for one in many["standard"][:3]} == {10} != {one.steps for one in mine[:3]}
    assert [one.targets for one in many["standard"]] == [None, 999, 999, None]
    assert [one.targets for one in few["standard"]] == [None, 9, 9, None]


def test_art_has_other_stages() -> None:
    bridged("art")
    found = autoattacks.art(10)
    assert [one.stage for one in found["standard"]] == ["apgd-ce", "apgd-dlr", "deepfool", "square"]
    assert not any(one.targets for one in found["standard"])


def test_the_table_of_the_readme_is_what_is_read_from_the_installed_packages() -> None:
    bridged("torchattacks")
    bridged("art")
    page = autoattacks.PAGE.read_text("utf-8")
    table = page.split(autoattacks.BEGIN)[1].split(autoattacks.END)[0].strip()
    done = CliRunner().invoke(autoattacks.command, [])
    assert done.exit_code == 0, done.output
    assert table == done.output.strip(), "python -m eval.bench.autoattacks --write-readme"


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(n_classes: int) -> autoattacks.Stages:
        raise ImportError("No module named 'torchattacks'")

    package = autoattacks.PACKAGES["torchattacks"]._replace(stages=missing)
    monkeypatch.setattr(autoattacks, "PACKAGES", {"torchattacks": package})
    with pytest.raises(UsageError, match=r"torchattacks cannot be imported .*pip install"):
        autoattacks.markdown()

"""Names of repositories are those that the Hub takes."""

import pytest

from zoo.hub.name import is_repo_name


@pytest.mark.parametrize("name", ["org/name", "o/n", "Org-1/a.b_c-d", f"o/{'n' * 94}"])
def test_a_name_of_the_hub_is_one(name: str) -> None:
    assert is_repo_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "name", "a/b/c", "/n", "o/", "../n", "o/..", "o/a--b", "o/a..b", "o/n.git", "o/n-"),
        *("-o/n", "o/.n", "o/a b", "o/n\n", "é/n", "o/п", f"o/{'n' * 95}", "http://o/n", "o\\n"),
    ],
)
def test_what_is_none_is_none(name: str) -> None:
    assert not is_repo_name(name)

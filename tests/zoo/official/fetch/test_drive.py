import pytest

from eval.files.download import NotFetched
from tests.driveserver.pages import PAGES, confirmation, old_confirmation
from zoo.official.fetch.drive import address, answer, browser_page

UC = "https://drive.google.com/uc?export=download&id=a"
USERCONTENT = "https://drive.usercontent.google.com/download"


@pytest.fixture(autouse=True)
def the_real_drive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAT_ZOO_DRIVE_ENDPOINT")


def said(url: str, status: int, content: str) -> str:
    with pytest.raises(NotFetched) as caught:
        answer(url, status, content, "do it by hand")
    assert str(caught.value).endswith("; do it by hand")
    return str(caught.value)


def test_a_file_is_asked_for_at_drive_unless_a_mirror_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert address("a&b") == "https://drive.google.com/uc?export=download&id=a%26b"
    assert browser_page("a") == "https://drive.google.com/file/d/a/view"
    monkeypatch.setenv("SAT_ZOO_DRIVE_ENDPOINT", "https://mirror.example/drive/")
    assert address("a") == "https://mirror.example/drive/uc?export=download&id=a"


def test_the_form_that_confirms_is_filled_in() -> None:
    assert answer(UC, 200, confirmation("a", USERCONTENT), "") == (
        f"{USERCONTENT}?at=x&y=1&id=a&export=download&confirm=t&uuid=uuid-of-a"
    )


def test_the_link_of_older_pages_is_followed() -> None:
    found = answer(UC, 200, old_confirmation("a"), "")
    assert found == "https://drive.google.com/uc?export=download&confirm=AbCd&id=a"


@pytest.mark.parametrize(
    "action", ["http://drive.usercontent.google.com/download", "https://google.com.evil.example/d"]
)
def test_a_form_that_leads_to_strangers_or_gives_up_tls_is_not_filled_in(action: str) -> None:
    found = said(UC, 200, confirmation("a", action))
    assert 'instead of the file, titled "Google Drive - Virus scan warning" (status 200)' in found


def test_a_page_that_is_not_googles_is_laid_to_a_proxy() -> None:
    found = said("http://10.0.0.1/login?next=x", 200, PAGES["proxy"][1])
    assert found.startswith(
        'a web page came from 10.0.0.1 instead of the file, titled "Welcome to Hotel WiFi": a proxy'
    )


def test_a_page_without_a_title_or_words_is_told_too() -> None:
    assert "came from drive.google.com instead of the file (status 200)" in said(UC, 200, "<html>")


def test_a_log_in_is_known_by_its_address() -> None:
    assert "asks to sign in" in said("https://accounts.google.com/v3/signin", 200, "<html>")


def test_words_in_a_script_are_not_what_the_page_says() -> None:
    assert "asks to sign in" in said(UC, 403, PAGES["denied"][1])

"""Pages that Drive sends instead of a file, cut down to what tells one from the other."""

from __future__ import annotations

PAGES: dict[str, tuple[int, str]] = {
    "quota": (
        200,
        "<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head><body>"
        "<p class='uc-error-caption'>Sorry, you can&#39;t view or download this file at this time."
        "</p><p>Too many users have viewed or downloaded this file recently. Please try accessing"
        " the file again later.</p></body></html>",
    ),
    "denied": (
        403,
        "<html><head><title>Google Drive: Access Denied</title></head><body><p>You need access."
        "</p><script>var words = 'quota exceeded';</script></body></html>",
    ),
    "missing": (
        404,
        "<!DOCTYPE html><html lang=en><title>Error 404 (Not Found)!!1</title>"
        "<p>The requested URL was not found on this server.</html>",
    ),
    "sign-in": (
        200,
        "<html><head><title>Sign in - Google Accounts</title></head><body>"
        "<form action='/v3/signin' method='post'><input type='hidden' name='id' value='x'></form>"
        "</body></html>",
    ),
    "proxy": (
        200,
        "<html><head><title>Welcome to\n Hotel  WiFi</title></head><body><form action='/login'>"
        "<input type='hidden' name='id' value='1'><input name='room'></form></body></html>",
    ),
    "phish": (
        200,
        "<html><body><form id='download-form' action='http://evil.example/download' method='get'>"
        "<input type='hidden' name='id' value='1'><input type='hidden' name='confirm' value='t'>"
        "</form></body></html>",
    ),
}


def confirmation(file_id: str, action: str) -> str:
    """What comes before a file that is too large to be scanned; the uuid is asked for again."""
    return (
        "<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head><body>"
        "<p class='uc-warning-caption'>Google Drive can't scan this file for viruses.</p>"
        f"<form id='download-form' action='{action}?at=x&amp;y=1' method='get'>"
        "<input type='submit' id='uc-download-link' value='Download anyway'/>"
        f"<input type='hidden' name='id' value='{file_id}'>"
        "<input type='hidden' name='export' value='download'>"
        "<input type='hidden' name='confirm' value='t'>"
        f"<input type='hidden' name='uuid' value='uuid-of-{file_id}'></form></body></html>"
    )


def old_confirmation(file_id: str) -> str:
    """The same as Drive wrote it before 2022: a link."""
    return (
        "<html><body><a id='uc-download-link' class='goog-inline-block'"
        f" href='/uc?export=download&amp;confirm=AbCd&amp;id={file_id}'>Download anyway</a>"
    )

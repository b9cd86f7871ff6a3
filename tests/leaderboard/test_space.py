"""The site on the Hub, over loopback."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from huggingface_hub import constants

from eval.errors import ReportError, SatZooError, UsageError
from leaderboard.cli.push import command
from leaderboard.site.folder import MARKER, replaced
from leaderboard.space import check_space, push, site_files
from tests.hubserver import FOREVER, Fault, HubServer
from tests.hubserver.repos import Repo

SPACE = "org/board"
KEY = f"spaces/{SPACE}"
TOKEN = "hf_aVerySecretToken"
PAGES = {
    "README.md": b"---\nsdk: static\n---\n",
    "index.html": b"<p>first",
    "boards/digits.html": b"<p>board",
}


@pytest.fixture(autouse=True)
def _login(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.tokens[TOKEN] = "write"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return write(tmp_path / "site", PAGES)


def write(out: Path, pages: dict[str, bytes]) -> Path:
    with replaced(out) as folder:
        for name, content in pages.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
    return out


def static_space(hub: HubServer, files: dict[str, bytes], sdk: str = "static") -> None:
    hub.repos[KEY] = Repo(KEY, sdk=sdk)
    hub.add(KEY, files)


def test_the_site_becomes_a_static_space_in_one_commit(hub: HubServer, site: Path) -> None:
    done = push(site, SPACE, endpoint=hub.url)
    assert (done.url, done.is_new) == (f"{hub.url}/spaces/{SPACE}", True)
    assert (hub.repos[KEY].sdk, hub.repos[KEY].private) == ("static", False)
    assert SPACE not in hub.repos  # not a model of that name
    assert len(hub.seen("^POST .*/commit/")) == 1
    assert hub.repos[KEY].branches["main"] == done.revision
    files = hub.files(KEY, done.revision)
    assert {name: files[name] for name in PAGES} == PAGES
    assert set(files) == {*PAGES, MARKER, ".gitattributes"}


def test_pages_of_an_earlier_push_go_in_the_same_commit(hub: HubServer, site: Path) -> None:
    push(site, SPACE, endpoint=hub.url)
    write(site, {"README.md": PAGES["README.md"], "index.html": b"<p>second"})
    push(site, SPACE, endpoint=hub.url)
    files = hub.files(KEY)
    assert set(files) == {"README.md", "index.html", MARKER, ".gitattributes"}
    assert files["index.html"] == b"<p>second"
    assert len(hub.seen("^POST .*/commit/")) == 2


def test_the_same_site_again_makes_no_commit(hub: HubServer, site: Path) -> None:
    first = push(site, SPACE, endpoint=hub.url)
    again = push(site, SPACE, endpoint=hub.url)
    assert (again.revision, again.is_new) == (first.revision, False)
    assert len(hub.seen("^POST .*/commit/")) == 1


def test_what_the_hub_puts_into_a_new_space_is_replaced(hub: HubServer, site: Path) -> None:
    static_space(hub, {"index.html": b"hello", "style.css": b"", "README.md": b""})
    push(site, SPACE, endpoint=hub.url)
    assert set(hub.files(KEY)) == {*PAGES, MARKER}


@pytest.mark.parametrize(
    ("files", "sdk", "message"),
    [
        ({"index.html": b"", "thesis.pdf": b""}, "static", "holds files that sat-zoo did not"),
        ({"app.py": b""}, "gradio", r"not a static one \(its sdk is gradio\)"),
    ],
)
def test_a_space_of_something_else_is_left_alone(
    hub: HubServer, site: Path, files: dict[str, bytes], sdk: str, message: str
) -> None:
    static_space(hub, files, sdk)
    with pytest.raises(SatZooError, match=message):
        push(site, SPACE, endpoint=hub.url)
    assert hub.files(KEY) == files


def test_private_means_private(hub: HubServer, site: Path) -> None:
    push(site, SPACE, private=True, endpoint=hub.url)
    assert hub.repos[KEY].private
    hub.repos[KEY].private = False
    with pytest.raises(SatZooError, match="exists and is public, and what is uploaded would be"):
        push(site, SPACE, private=True, endpoint=hub.url)
    assert len(hub.seen("^POST .*/commit/")) == 1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(on="repos/create", status=401), "does not accept the token"),
        (Fault(on="repos/create", status=404), "knows no such place: check --space"),
        (Fault(on="preupload", status=403), "may not write there"),
        (Fault(on="/commit/", status=412), "somebody else has changed the repository meanwhile"),
    ],
    ids=lambda value: f"{value.on} {value.status}" if isinstance(value, Fault) else "",
)
def test_a_refusal_is_one_sentence_without_the_token(
    hub: HubServer, site: Path, fault: Fault, message: str
) -> None:
    fault.times = FOREVER
    hub.break_next(fault)
    with pytest.raises(SatZooError, match=message) as caught:
        push(site, SPACE, endpoint=hub.url)
    said = str(caught.value)
    assert said.startswith(f"{SPACE} cannot be published: ")
    assert "\n" not in said
    assert TOKEN not in said


def test_a_push_between_our_look_and_our_commit_is_noticed(
    hub: HubServer, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.hubserver.handler import Handler

    preupload = Handler._on_preupload

    def somebody_else(self: Handler, body: bytes, id: str, rev: str) -> None:
        hub.add(KEY, {"index.html": b"theirs"})
        preupload(self, body, id, rev)

    monkeypatch.setattr(Handler, "_on_preupload", somebody_else)
    with pytest.raises(SatZooError, match="somebody else has changed the repository meanwhile"):
        push(site, SPACE, endpoint=hub.url)
    assert hub.files(KEY)["index.html"] == b"theirs"


def test_without_a_token_nobody_is_asked(
    hub: HubServer, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(SatZooError, match="no Hugging Face token: log in with hf auth login"):
        push(site, SPACE, endpoint=hub.url)
    assert hub.requests == []


def test_only_a_folder_that_build_wrote_is_uploaded(site: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with pytest.raises(UsageError, match="other is not a folder: write one with sat-zoo"):
        site_files(other)
    other.mkdir()
    (other / "index.html").write_text("mine")
    with pytest.raises(UsageError, match="was not written by sat-zoo leaderboard build"):
        site_files(other)
    (other / MARKER).touch()
    with pytest.raises(UsageError, match=r"has no README\.md, so it is not the whole site"):
        site_files(other)


def test_hidden_files_and_links_are_never_uploaded(site: Path, tmp_path: Path) -> None:
    (site / ".git").mkdir()
    (site / ".git" / "config").write_text("secret")
    (site / ".env").write_text("secret")
    assert set(site_files(site)) == {*PAGES, MARKER}
    (tmp_path / "secret").write_text("secret")
    (site / "notes.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(UsageError, match=r"notes\.txt is a link, which build never writes"):
        site_files(site)


def test_a_file_that_cannot_be_read_is_named_before_anybody_is_asked(
    hub: HubServer, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", unreadable)
    with pytest.raises(ReportError, match="cannot be read: Permission denied; build the site"):
        push(site, SPACE, endpoint=hub.url)
    assert hub.requests == []


@pytest.mark.parametrize("space", ["board", "a/b/c", "a/", "../b", "org/a b", "org/a--b", ""])
def test_a_name_that_is_none_is_refused(space: str) -> None:
    with pytest.raises(UsageError, match=r"names no Space: write OWNER/NAME"):
        check_space(space)


def test_a_dry_run_lists_files_and_sizes_and_asks_no_network(
    hub: HubServer, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaderboard.space.push", lambda *a, **k: pytest.fail("pushed"))
    monkeypatch.setattr("socket.socket.connect", lambda *a: pytest.fail("the network was asked"))
    done = CliRunner().invoke(command, [str(site), "--space", SPACE, "--dry-run"])
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.output.splitlines()]
    assert ["8", "boards/digits.html"] in lines
    assert ["8", "index.html"] in lines
    assert done.output.endswith("nothing was uploaded\n")
    assert "dry run: 4 files, " in done.output


def test_the_command_says_where_the_site_is(
    hub: HubServer, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    done = CliRunner().invoke(command, [str(site), "--space", SPACE])
    revision = hub.repos[KEY].branches["main"]
    said = f"{hub.url}/spaces/{SPACE}: 4 files, revision {revision}\n"
    assert done.output.endswith(said), done.output

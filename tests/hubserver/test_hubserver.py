import hashlib
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.hubserver import Fault, HubServer

WEIGHTS = bytes(range(256)) * 400
NAME = "org/net"


@pytest.fixture
def api(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> HfApi:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    hub.tokens["writer"] = "write"
    return HfApi(endpoint=hub.url, token="writer")


@pytest.fixture
def commit(hub: HubServer) -> str:
    return hub.add(NAME, {"model.safetensors": WEIGHTS, "README.md": b"---\na: 1\n---\n"})


@pytest.mark.parametrize("use_cdn", [False, True])
def test_the_client_downloads_a_snapshot(
    api: HfApi, hub: HubServer, commit: str, tmp_path: Path, use_cdn: bool
) -> None:
    hub.use_cdn = use_cdn
    folder = Path(snapshot_download(NAME, cache_dir=tmp_path, endpoint=hub.url, token=False))
    assert folder.name == commit
    weights = folder / "model.safetensors"
    assert weights.read_bytes() == WEIGHTS
    assert weights.resolve().name == hashlib.sha256(WEIGHTS).hexdigest()
    assert bool(hub.seen("^GET /cdn/")) == use_cdn


def test_the_token_is_not_sent_to_the_other_origin(
    api: HfApi, hub: HubServer, commit: str, tmp_path: Path
) -> None:
    hub.use_cdn = True
    api.hf_hub_download(NAME, "model.safetensors", cache_dir=tmp_path)
    assert {r.origin: "authorization" in r.headers for r in hub.requests} == {
        "hub": True,
        "cdn": False,
    }


def test_model_info_tells_files_and_sizes(api: HfApi, commit: str) -> None:
    info = api.model_info(NAME, files_metadata=True)
    assert info.sha == commit
    assert [(s.rfilename, s.size) for s in info.siblings or []] == [
        ("README.md", 13),
        ("model.safetensors", len(WEIGHTS)),
    ]
    assert api.model_info(NAME, revision=commit).sha == commit


def test_what_the_client_uploads_comes_back(api: HfApi, hub: HubServer, tmp_path: Path) -> None:
    api.create_repo(NAME, private=True)
    api.create_repo(NAME, exist_ok=True)
    done = api.create_commit(
        NAME,
        [
            CommitOperationAdd("model.safetensors", WEIGHTS),
            CommitOperationAdd("README.md", b"---\nlicense: mit\n---\n"),
        ],
        commit_message="publish",
    )
    assert hub.repos[NAME].private
    assert hub.repos[NAME].commits[done.oid].message == "publish"
    assert hub.files(NAME)["model.safetensors"] == WEIGHTS
    path = api.hf_hub_download(NAME, "README.md", revision=done.oid, cache_dir=tmp_path)
    assert Path(path).read_bytes() == b"---\nlicense: mit\n---\n"
    assert [e.path for e in api.list_repo_tree(NAME, recursive=True)] == [
        ".gitattributes",
        "README.md",
        "model.safetensors",
    ]


def test_a_commit_on_an_old_parent_is_refused(api: HfApi, hub: HubServer, commit: str) -> None:
    hub.add(NAME, {"b": b"b"})
    with pytest.raises(HfHubHTTPError) as caught:
        api.create_commit(
            NAME,
            [CommitOperationAdd("a", b"a")],
            commit_message="late",
            parent_commit=commit,
        )
    assert caught.value.response.status_code == 412


def test_who_may_not_is_refused_as_the_real_hub_does(
    hub: HubServer, api: HfApi, commit: str, tmp_path: Path
) -> None:
    stranger = HfApi(endpoint=hub.url, token=False)
    hub.repos[NAME].private = True
    with pytest.raises(RepositoryNotFoundError):
        stranger.model_info(NAME)
    hub.repos[NAME].private, hub.repos[NAME].gated = False, True
    with pytest.raises(GatedRepoError):
        api.hf_hub_download(NAME, "README.md", cache_dir=tmp_path)
    hub.tokens["writer"] = "read"
    with pytest.raises(HfHubHTTPError, match="403"):
        api.create_repo("org/other")
    with pytest.raises(RevisionNotFoundError):
        api.model_info(NAME, revision="nowhere")
    hub.repos[NAME].gated = False
    with pytest.raises(RemoteEntryNotFoundError):
        api.hf_hub_download(NAME, "none.txt", cache_dir=tmp_path)


def test_faults_come_as_often_as_asked_for(
    api: HfApi, hub: HubServer, commit: str, tmp_path: Path
) -> None:
    hub.break_next(Fault(on="^GET /api/", times=2, status=503))
    for _ in range(2):
        with pytest.raises(HfHubHTTPError, match="503"):
            api.model_info(NAME)
    assert api.model_info(NAME).sha == commit
    hub.break_next(Fault(wrong=True))
    path = api.hf_hub_download(NAME, "model.safetensors", cache_dir=tmp_path)
    assert Path(path).read_bytes() == bytes(byte ^ 0x55 for byte in WEIGHTS)


def test_a_range_is_answered_with_its_part(hub: HubServer, commit: str) -> None:
    import httpx2

    url = f"{hub.url}/{NAME}/resolve/{commit}/model.safetensors"
    part = httpx2.get(url, headers={"Range": "bytes=1000-"})
    assert (part.status_code, part.content) == (206, WEIGHTS[1000:])
    assert part.headers["Content-Range"] == f"bytes 1000-{len(WEIGHTS) - 1}/{len(WEIGHTS)}"
    assert httpx2.get(url, headers={"Range": f"bytes={len(WEIGHTS)}-"}).status_code == 416
    hub.break_next(Fault(cut_after=5000))
    with pytest.raises(httpx2.RemoteProtocolError):
        httpx2.get(url)
    assert hub.requests[-1].sent == 5000

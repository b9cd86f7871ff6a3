"""What a Hub says to somebody who writes, in one sentence and without the token."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from eval.errors import SatZooError

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

_MEANING = {
    401: "the Hub does not accept the token: log in again with hf auth login, or renew HF_TOKEN",
    403: "the token may not write there: use one with write access to this namespace",
    404: "the Hub knows no such place: check {option}",
    409: "the repository is busy: run the same command again",
    412: "somebody else has changed the repository meanwhile: run the same command again",
    413: "the Hub finds a file too large: check the storage of the namespace",
    429: "the Hub asks for patience: run the same command again later",
}


def token_to_write() -> str:
    """The token of hf auth login or HF_TOKEN. Raises SatZooError if there is none."""
    from huggingface_hub import get_token

    token = get_token()
    if token is None:
        raise SatZooError(
            "there is no Hugging Face token: log in with hf auth login, or set HF_TOKEN to one"
            " with write access"
        )
    return token


@contextlib.contextmanager
def upload_explained(repo: str, token: str, *, option: str) -> Iterator[None]:
    """Turn what huggingface_hub raises into one sentence, and keep the token out of it.

    option: of the command line, the one that names the place.

    The cause is dropped: its text is the server's, which may repeat what it was sent.
    """
    from httpx2 import HTTPError
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled:
        said = "HF_HUB_OFFLINE forbids the network: unset it"
    except HfHubHTTPError as error:
        said = _answer(error, token, option)
    except ValueError as error:  # of huggingface_hub: names, metadata, replies that make no sense
        said = f"the upload was refused ({_clean(str(error), token)})"
    except (OSError, RuntimeError, HTTPError) as error:
        # The client wraps what happened to one file of several in a RuntimeError.
        if isinstance(error.__cause__, HfHubHTTPError):
            said = _answer(error.__cause__, token, option)
        else:
            said = (
                f"the Hub cannot be reached, or breaks off ({type(error).__name__}): check the"
                " network and HF_ENDPOINT and run the same command again"
            )
    else:
        return
    raise SatZooError(f"{repo} cannot be published: {said}") from None


def _answer(error: HfHubHTTPError, token: str, option: str) -> str:
    status = error.response.status_code
    if status in _MEANING:
        return f"{_MEANING[status].format(option=option)} (HTTP {status})"
    if status >= 500:
        return f"the Hub is out of order (HTTP {status}): run the same command again later"
    why = _clean(error.server_message or "no reason given", token)
    return f"the Hub refused it with HTTP {status} ({why})"


def _clean(message: str, token: str) -> str:
    """At most 200 characters of a server's text, on one line, without anything like a token."""
    line = " ".join(message.split()).replace(token, "***")
    return re.sub(r"hf_\w+", "***", line)[:200]

import signal
import threading

import pytest

from eval.files.interrupts import uninterrupted


def interrupted_block(done: list[str]) -> None:
    with uninterrupted():
        signal.raise_signal(signal.SIGINT)
        done.append("all of it")


def test_ctrl_c_during_the_block_comes_behind_it() -> None:
    done = list[str]()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted_block(done)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == ["all of it"]


def test_an_error_in_the_block_stays_the_error() -> None:
    with pytest.raises(ValueError, match="of its own"), uninterrupted():
        raise ValueError("of its own")


def test_other_threads_and_ignored_signals_just_run() -> None:
    done = []

    def work() -> None:
        with uninterrupted():
            done.append("thread")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append("ignored")
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == ["thread", "ignored"]

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from eval.files.interrupts import Gate, Terminated, gated, terminable, uninterrupted


@pytest.fixture(autouse=True)
def _usual() -> Iterator[None]:
    """Whatever started the tests may have SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def interrupted_block(done: list[str], number: int = signal.SIGINT) -> None:
    with uninterrupted():
        signal.raise_signal(number)
        done.append("all of it")


def interrupted_twice(done: list[str]) -> None:
    with uninterrupted():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        done.append("all of it")


def test_sigterm_is_raised_as_ctrl_c_is_and_noted() -> None:
    with terminable() as raised:
        with pytest.raises(KeyboardInterrupt) as stopped:
            os.kill(os.getpid(), signal.SIGTERM)
        assert raised == [stopped.value]
        assert isinstance(stopped.value, Terminated)
        with pytest.raises(Terminated):
            signal.raise_signal(signal.SIGTERM)
        assert len(raised) == 2


def test_sigterm_during_the_block_comes_behind_it() -> None:
    done = list[str]()
    with terminable() as raised:
        with pytest.raises(Terminated):
            interrupted_block(done, signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):  # of either signal, and both are as they were
            interrupted_twice(done)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        with pytest.raises(Terminated):
            signal.raise_signal(signal.SIGTERM)
    assert done == ["all of it"] * 2
    assert raised


def test_without_an_answer_sigterm_stays_with_the_system() -> None:
    with uninterrupted():
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_an_ignored_sigterm_and_a_handler_of_another_stay() -> None:
    for theirs in (signal.SIG_IGN, lambda *_: None):
        before = signal.signal(signal.SIGTERM, theirs)
        try:
            with terminable() as raised:
                signal.raise_signal(signal.SIGTERM)
                assert signal.getsignal(signal.SIGTERM) == theirs
        finally:
            signal.signal(signal.SIGTERM, before)
        assert raised == []


def test_in_another_thread_nothing_is_answered() -> None:
    handlers = []

    def work() -> None:
        with terminable():
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.SIG_DFL]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks no processes")
def test_a_forked_process_is_ended_by_sigterm_as_ever() -> None:
    with terminable():
        child = os.fork()
        if child == 0:
            signal.raise_signal(signal.SIGTERM)
            os._exit(0)
        _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGTERM


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_gate_holds_signals_within_its_blocks_and_none_between_them(number: int) -> None:
    done = list[str]()

    def between() -> None:
        with gated() as whole:
            with whole:
                done.append("first")
            signal.raise_signal(number)
            done.append("never")

    def within() -> None:
        with gated() as whole:
            for word in ("second", "third"):
                with whole:
                    signal.raise_signal(number)
                    done.append(word)

    with terminable():
        usual = signal.getsignal(number)
        for block in (between, within):
            with pytest.raises(KeyboardInterrupt):
                block()
            assert signal.getsignal(number) == usual
    assert done == ["first", "second"]


def test_a_gate_answers_once_for_signals_that_came_together_and_stays_usable() -> None:
    with terminable() as raised, gated() as whole:
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                _both(whole)
        with whole:
            pass
        with uninterrupted(), whole:
            pass
    assert not raised  # SIGINT was first


def _both(whole: Gate) -> None:
    with whole:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)


def test_an_error_within_a_gates_block_is_what_is_raised() -> None:
    def block() -> None:
        with gated() as whole, whole:
            signal.raise_signal(signal.SIGINT)
            raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        block()
    with gated() as whole, whole:  # nothing is left of it
        pass


def test_in_another_thread_a_gate_just_runs() -> None:
    done = list[str]()

    def block() -> None:
        with gated() as whole, whole:
            done.append("all of it")

    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    assert done == ["all of it"]

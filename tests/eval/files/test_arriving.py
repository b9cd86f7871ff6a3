from eval.files.arriving import lines


def test_a_line_comes_every_30_seconds_and_not_before() -> None:
    now, said = [0.0], list[str]()
    tell = lines("model.safetensors", said.append, clock=lambda: now[0])
    for done, now[0] in ((1_000_000, 1.0), (2_000_000, 29.0), (3_000_000, 31.0), (4_000_000, 32.0)):
        tell(done, 10_000_000)
    now[0] = 61.0
    tell(5_250_000, None)
    assert said == [
        "fetching model.safetensors: 3.0 of 10.0 MB are here",
        "fetching model.safetensors: 5.2 MB are here",
    ]

"""A few of the kills that `make chaos` deals out by the hundred."""
import chaos


def test_kills_under_load_lose_nothing_and_serve_no_wrong_byte():
    done = chaos.run(kills=12, seed=7)
    assert done["writes"] > 12 and done["answers"] > 12

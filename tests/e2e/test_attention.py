"""POST /v1/attention: where the tokens of a short text look, and what is refused."""
import concurrent.futures

import pytest

TEXT = "The giraffe went into the lake because it was hot."


def look(server, **body):
    return server.post("/v1/attention", body)


def test_weights_are_those_of_a_model(server):
    first = look(server, text=TEXT, layer=0).json()
    count = len(first["tokens"])
    assert "".join(first["pieces"]) == TEXT and len(first["pieces"]) == count
    assert len(first["weights"]) == first["heads"]
    for head in first["weights"]:
        assert [len(row) for row in head] == list(range(1, count + 1))
        assert all(abs(sum(row) - 1) < 0.01 and min(row) >= 0 for row in head)
    last = look(server, text=TEXT, layer=first["layers"] - 1).json()
    assert last["weights"] != first["weights"]
    assert look(server, text=TEXT, layer=0).json() == first  # the same question, the same answer
    # Whatever follows, a beginning looks as it looked.
    longer = look(server, text=TEXT + " So it stayed there.", layer=0).json()
    assert [head[:count] for head in longer["weights"]] == first["weights"]


@pytest.mark.parametrize("body, param", [
    ({}, "text"), ({"text": ""}, "text"), ({"text": 7}, "text"), ({"text": "word " * 65}, "text"),
    ({"text": "a", "layer": -1}, "layer"), ({"text": "a", "layer": 1000}, "layer"),
    ({"text": "a", "layer": "first"}, "layer")])
def test_what_cannot_be_shown_is_refused_by_name(server, body, param):
    answer = look(server, **body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param


def test_one_at_a_time_beside_everything_else(server):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: look(server, text="word " * 60, layer=29), range(24)))
    assert {answer.status_code for answer in answers} == {200}
    good = [answer.json()["weights"] for answer in answers if answer.status_code == 200]
    assert good and all(weights == good[0] for weights in good)
    assert server.complete("Hello", max_tokens=2).status_code == 200

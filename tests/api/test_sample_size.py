"""Sample sizes over HTTP."""

import pytest

from app.api import sample_size

PATH = "/v1/methods/sample-size"


def numbers(answer):
    """The answer without its texts."""
    sizes = {key: answer[key] | {"formula": None} for key in ("yamane", "exact")}
    return answer | sizes | {"limits": None}


async def test_the_answers_needed_and_the_forms_to_send_for_them(client):
    answer = await client.get(PATH, params={"population": 10_000, "response_rate": 62})
    assert answer.status_code == 200, answer.text
    assert numbers(answer.json()) == {
        "population": 10_000,
        "error": 0.05,
        "response_rate": 62,
        "yamane": {"n": 385, "error_reached": 0.0501, "to_send": 621, "formula": None},
        "exact": {"n": 386, "error_reached": 0.05, "to_send": 623, "formula": None},
        "limits": None,
    }


async def test_the_contracts_example_is_an_answer(client):
    query = {"population": 500, "error": "0.05", "response_rate": 60}
    answer = await client.get(PATH, params=query)
    assert numbers(answer.json()) == numbers(sample_size.OF_A_COMMUNE)


async def test_without_a_response_rate_nothing_is_to_be_sent(client):
    answer = (await client.get(PATH, params={"population": 2000})).json()
    assert answer["response_rate"] is None
    assert [answer[size]["to_send"] for size in ("yamane", "exact")] == [None, None]


async def test_where_even_everybody_is_too_few_there_is_no_number_to_send(client):
    answer = (await client.get(PATH, params={"population": 100, "response_rate": 50})).json()
    assert [answer["yamane"][part] for part in ("n", "to_send")] == [80, None]


@pytest.mark.parametrize("error", ["0.001", "0.5"])
@pytest.mark.parametrize("population", [1, 100_000_000])
async def test_the_limits_of_what_can_be_asked_are_answered(client, population, error):
    answer = await client.get(PATH, params={"population": population, "error": error})
    assert answer.status_code == 200, answer.text
    assert 1 <= answer.json()["exact"]["n"] <= population


async def test_both_formulas_are_in_the_readers_language(client):
    said = {}
    for language in ("vi", "en"):
        headers = {"Accept-Language": language}
        answer = (await client.get(PATH, params={"population": 2000}, headers=headers)).json()
        said[language] = {
            answer["yamane"]["formula"],
            answer["exact"]["formula"],
            answer["limits"],
        }
    assert all(said["vi"])
    assert len(said["vi"] | said["en"]) == 6


async def test_all_that_is_wrong_with_a_question_is_named(client):
    query = {"population": 0, "error": "0.6", "response_rate": "half", "confidence": 95}
    answer = await client.get(PATH, params=query)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    assert {(e["pointer"], e["code"]) for e in answer.json()["errors"]} == {
        ("/query/population", "too-small"),
        ("/query/error", "too-large"),
        ("/query/response_rate", "wrong-type"),
        ("/query/confidence", "unknown-field"),
    }


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ({"population": None}, "/query/population", "missing"),
        ({"population": 100_000_001}, "/query/population", "too-large"),
        ({"population": "1.5"}, "/query/population", "wrong-type"),
        ({"error": "0.0009"}, "/query/error", "too-small"),
        ({"error": "nan"}, "/query/error", "wrong-type"),
        ({"response_rate": 0}, "/query/response_rate", "too-small"),
        ({"response_rate": "0.5"}, "/query/response_rate", "wrong-type"),
        ({"response_rate": 101}, "/query/response_rate", "too-large"),
    ],
)
async def test_each_fault_of_a_question_has_its_pointer_and_code(client, query, pointer, code):
    asked = {"population": 2000} | query
    answer = await client.get(PATH, params={k: v for k, v in asked.items() if v is not None})
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]


async def test_who_may_read_figures_may_ask_for_sample_sizes(make, anonymous):
    for scope, status in (("indices:read", 200), ("catalogue:read", 200), ("ratings:read", 403)):
        reader = await make.caller(scope)
        assert (await reader.get(PATH, params={"population": 9})).status_code == status
    assert (await anonymous.get(PATH, params={"population": 9})).status_code == 401

"""Numbers in what a caller is told: written as its readers write them."""

import pytest


@pytest.mark.parametrize(
    ("language", "error", "limit"),
    [("vi", "1", "0,5"), ("en", "1", "0.5"), ("vi", "0", "0,001"), ("en", "0", "0.001")],
)
async def test_a_limit_has_a_comma_in_vietnamese(client, language, error, limit):
    client.headers["Accept-Language"] = language
    query = {"population": "2000", "error": error, "response_rate": "60"}
    answer = await client.get("/v1/methods/sample-size", params=query)
    (fault,) = answer.json()["errors"]
    assert f" {limit}" in fault["detail"]


@pytest.mark.parametrize("language", ["vi", "en"])
async def test_a_whole_limit_has_no_decimals(client, make, language):
    client.headers["Accept-Language"] = language
    await make.agency("A1")
    for path, body, limit in (
        ("/v1/targets/A1/2026/overall", {"value": 101}, "100."),
        ("/v1/rankings?peer_group=g&period=2026&survey=" + "&survey=".join(["s"] * 51), None, "50"),
    ):
        ask = client.get(path) if body is None else client.put(path, json=body)
        (fault,) = (await ask).json()["errors"]
        assert limit in fault["detail"]
        assert f"{limit.rstrip('.')}.0" not in fault["detail"]

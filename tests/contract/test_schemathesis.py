"""Whatever the contract allows, and much that it does not, against the live service."""

import schemathesis
from factories import BEARER
from hypothesis import HealthCheck, Phase, settings

from app.main import create_app
from app.settings import Settings

schema = schemathesis.openapi.from_dict(create_app(Settings()).openapi())


@schema.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
def test_every_answer_is_one_that_the_contract_names(case, live):
    case.call_and_validate(base_url=live, headers=BEARER)

"""Whatever the contract allows, and much that it does not, against the live service.

This is the short run: `make fuzz` makes at least 20,000 requests.
"""

import contract.checks  # noqa: F401 -- it registers what is checked and what is there
import schemathesis
from factories import BEARER
from hypothesis import HealthCheck, Phase, settings

from app.main import create_app
from app.settings import Settings

schema = schemathesis.openapi.from_dict(create_app(Settings()).openapi())


def short(examples, *phases):
    return settings(
        max_examples=examples,
        stateful_step_count=6,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, *phases],
    )


@schema.parametrize()
@short(3, Phase.explicit)
def test_every_answer_is_one_that_the_contract_names(case, live):
    case.call_and_validate(base_url=live, headers=BEARER)


def test_what_is_linked_can_be_followed(live):
    class Journey(schema.as_state_machine()):
        def get_call_kwargs(self, _case):
            return {"base_url": live, "headers": BEARER}

    Journey.run(settings=short(10))

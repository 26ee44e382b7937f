"""What the contract says of credentials: which there are, and which scopes an operation needs."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute

from app.api.deps import scopes_asked
from app.api.oidc import discovery_address
from app.domain.access import DEVICE_SCOPE

UNSET = "https://issuer.example"


def scheme(issuer: str | None) -> dict[str, str]:
    """The issuer whose tokens are accepted; an example where none is configured."""
    return {
        "type": "openIdConnect",
        "openIdConnectUrl": discovery_address(issuer or UNSET),
        "description": "A token of the configured issuer (`HAILONG_OIDC_ISSUER`), with the scopes",
    }


def complete(paths: Mapping[str, Any], routes: Sequence[BaseRoute]) -> None:
    """Name in each guarded operation the scopes of which a key or a token needs one.

    They stand beside the credentials, because those of a key have no place among them, and the
    recommended rules of Spectral take only an OAuth flow's for scopes.
    """
    for route in iter_route_contexts(routes):
        for method in sorted(route.methods or ()):
            operation = paths.get(route.path_format or "", {}).get(method.lower(), {})
            if "security" in operation:
                operation["security"] = [*operation["security"], {"OpenIdConnect": []}]
                asked = set().union(*scopes_asked(route.dependant)) - {DEVICE_SCOPE}
                if not asked:  # public; who has a key may be shown more
                    operation["security"].append({})
                else:
                    operation["x-scopes"] = sorted(asked)
                    named = " or ".join(f"`{scope}`" for scope in sorted(asked))
                    operation["description"] += f"\n\nScope: {named}."

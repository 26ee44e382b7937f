"""Where webhooks may be sent to: nowhere that only this service's own network can reach."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from app.domain.errors import Fault, InvalidError

LONGEST_URL, LARGEST_PORT = 2000, 65535

# ASCII only, no credentials, no fragment: nothing that two parsers could read differently.
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:(?P<port>[0-9]{1,5}))?"
    r"([/?][A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?",
    re.ASCII,
)

# The registries of special-purpose addresses (RFC 6890 and its updates), and one public address
# at which a cloud tells its machines secrets.
_CLOSED = [
    ip_network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        # Within 2000::/3, outside of which nothing is public: protocols, 6to4, documentation.
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    )
]
_PUBLIC_6 = ip_network("2000::/3")

Address = IPv4Address | IPv6Address


def public(address: Address) -> bool:
    """Whether the address is one of the public internet.

    One that wraps an IPv4 address (mapped, NAT64, 6to4) is none, whatever it wraps.
    """
    if isinstance(address, IPv6Address) and address not in _PUBLIC_6:
        return False
    return not any(address in block for block in _CLOSED)


def check_url(url: str, *, private: bool) -> None:
    """Nothing when webhooks may be sent there, as far as the address itself tells.

    `private` allows plain http and this machine's own network. Raises InvalidError.
    """
    read = _URL.fullmatch(url)
    if read is None or len(url) > LONGEST_URL or not 0 < int(read["port"] or 1) <= LARGEST_PORT:
        raise InvalidError(Fault("/url", "bad-webhook-url"))
    if not private and read["scheme"] != "https":
        raise InvalidError(Fault("/url", "webhook-url-not-https"))
    if not private and not public_name(read["host"].strip("[]")):
        raise InvalidError(Fault("/url", "webhook-url-private"))


def public_name(host: str) -> bool:
    """Whether a host is not written as a private address; of names nothing is known yet."""
    try:
        return public(ip_address(host))
    except ValueError:
        return True

"""Bridges of a graph: the edges without which it falls apart."""

from collections.abc import Hashable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

Node = tuple[Hashable, ...]


class Edge(NamedTuple):
    """Two nodes that are joined, and by how much. There may be several between the same two."""

    ends: tuple[Node, Node]
    weight: int


def bridges(edges: Sequence[Edge]) -> list[Edge]:
    """The edges on no cycle, in no order.

    They are edges of any spanning tree over which no other edge leads out of the subtree below.
    """
    order, came = _spanning(edges)
    tree = {place for _, place in came.values()}
    leading_out = dict.fromkeys(order, 0)  # a bit for each edge that leaves the subtree
    for place, edge in enumerate(edges):
        if place not in tree and edge.ends[0] != edge.ends[1]:
            for end in edge.ends:
                leading_out[end] ^= 1 << place
    found = []
    for node in reversed(order):
        if node in came:
            above, place = came[node]
            leading_out[above] ^= leading_out[node]
            if not leading_out[node]:
                found.append(edges[place])
    return found


def _spanning(edges: Sequence[Edge]) -> tuple[list[Node], dict[Node, tuple[Node, int]]]:
    """The nodes from the roots on, and from which node by which edge each other one is reached."""
    around: dict[Node, list[tuple[Node, int]]] = {}
    for place, edge in enumerate(edges):
        one, other = edge.ends
        around.setdefault(one, []).append((other, place))
        around.setdefault(other, []).append((one, place))
    order: list[Node] = []
    came: dict[Node, tuple[Node, int]] = {}
    seen: set[Node] = set()
    for root in around:
        queue = [root] if root not in seen else []
        seen.add(root)
        for node in queue:
            for other, place in around[node]:
                if other not in seen:
                    seen.add(other)
                    came[other] = (node, place)
                    queue.append(other)
        order += queue
    return order, came


def connected(sets: Iterable[AbstractSet[Node]]) -> list[AbstractSet[Node]]:
    """The nodes in groups, so that each of the sets is within one of them."""
    groups: list[AbstractSet[Node]] = []
    for nodes in sets:
        near = [group for group in groups if group & nodes]
        groups = [group for group in groups if group not in near]
        groups.append(frozenset(nodes).union(*near))
    return groups

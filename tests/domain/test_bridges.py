"""What follows from the sums of a table: the edges of its graph that are on no cycle."""

from hypothesis import given
from hypothesis import strategies as st

from app.domain.bridges import Edge, bridges, connected

NODES = [(number,) for number in range(6)]
EDGES = st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)), max_size=12)


def edges(pairs):
    return [Edge(pair, place) for place, pair in enumerate(pairs)]


def reached(pairs, start):
    """The nodes to which a way leads, by looking at every edge again and again."""
    near = {start}
    for _ in NODES:
        near |= {node for pair in pairs if near & set(pair) for node in pair}
    return near


def test_a_lone_edge_is_a_bridge_and_two_between_the_same_nodes_are_none():
    assert [edge.weight for edge in bridges(edges([(NODES[0], NODES[1])]))] == [0]
    assert bridges(edges([(NODES[0], NODES[1]), (NODES[0], NODES[1])])) == []


@given(EDGES)
def test_a_bridge_is_an_edge_without_which_its_ends_are_apart(pairs):
    found = {edge.weight for edge in bridges(edges(pairs))}
    for place, (one, other) in enumerate(pairs):
        left = pairs[:place] + pairs[place + 1 :]
        assert (place in found) == (other not in reached(left, one))


@given(EDGES)
def test_nodes_are_in_one_group_where_a_way_leads_from_one_to_the_other(pairs):
    groups = connected({*pair} for pair in pairs)
    for node in {node for pair in pairs for node in pair}:
        assert [group for group in groups if node in group] == [reached(pairs, node)]

# SPDX-License-Identifier: GPL-3.0-or-later
"""Three gateways that all work, each with a third of the hosts."""

import pytest

from actives import Active, Streams
from lab import wait_for
from trio import Trio

pytestmark = pytest.mark.lab(gateways=3)


@pytest.mark.full
@pytest.mark.limit(180)
def test_two_are_lost_and_come_back(lab):
    active = Active(lab).start()
    trio = Trio(lab)
    one, two, three = active.nodes
    a, b, c = active.shares
    streams = Streams(lab, 3)
    streams.go_on()
    lab.freeze()
    one.kill()
    active.wait_has(two, *a, *b)
    assert active.has(three, *c), "it had nothing to do with it"
    streams.go_on()
    two.kill()
    active.wait_all(three)
    streams.go_on()
    one.launch().wait_up()
    active.wait_has(one, *a)
    # what the second has in common with the first now that it is away
    active.wait_has(three, *b, *c)
    streams.go_on()
    two.launch().wait_up()
    active.wait_each()
    streams.go_on()
    lab.thaw()
    streams.finish()
    for other in (two, three):
        trio.wait_equal(one, other)


@pytest.mark.full
def test_a_share_is_handed_over(lab):
    """It goes to the next one, and the others notice nothing of it."""
    active = Active(lab).start()
    one, two, three = active.nodes
    a, b, c = active.shares
    streams = Streams(lab, 3)
    streams.go_on()
    own = three.transitions(c[0])
    code, out, err = two.tool("handover", *b)
    assert code == 0, out + err
    active.wait_has(two)
    heir = wait_for("one of them has it", lambda: next(
        (n for n, old in ((one, a), (three, c)) if active.has(n, *old, *b)),
        None))
    assert heir is three and "fw2 -> fw3" in out, (heir.name, out)
    streams.go_on()
    assert three.transitions(c[0]) == own
    streams.finish()

"""A queue that is served from both ends."""

from __future__ import annotations

import threading

from ascend_wheelhouse.fetch.ranked_queue import RankedQueue


def _filled(*numbers: int) -> RankedQueue[tuple[int]]:
    queue: RankedQueue[tuple[int]] = RankedQueue()
    for number in numbers:
        queue.put((number,))
    return queue


def test_items_come_in_their_order() -> None:
    queue = _filled(2, 3, 1)
    assert [queue.take() for _ in range(3)] == [(1,), (2,), (3,)]


def test_the_last_comes_first_while_it_stands_behind_a_bound() -> None:
    queue = _filled(1, 2, 5, 9)
    assert [queue.take(behind=(4,)) for _ in range(4)] == [(9,), (5,), (1,), (2,)]


def test_a_taker_waits_for_an_item_and_is_let_go_by_the_end() -> None:
    queue, taken, first = _filled(), list[tuple[int] | None](), threading.Event()

    def take_twice() -> None:
        taken.append(queue.take())
        first.set()
        taken.append(queue.take())

    taker = threading.Thread(target=take_twice)
    taker.start()
    queue.put((1,))
    assert first.wait(60)
    queue.close()
    taker.join(60)
    assert taken == [(1,), None]


def test_a_closed_queue_gives_nothing_more() -> None:
    queue = _filled(1)
    queue.close()
    assert queue.take() is None

"""What is kept: bounded, and made once for all that want it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.imagery.stac.cogs.kept import Dropped, Kept


def kept(held: Kept[str], *keys: str) -> list[str]:
    """Claims, and gives what is its own to give: that."""
    _, mine = held.claim(keys)
    for key in mine:
        held.give(key, key.upper(), 1)
    return [str(key) for key in mine]


def test_a_value_is_made_by_whoever_wants_it_first() -> None:
    held: Kept[str] = Kept(10)
    found, mine = held.claim(["a", "b", "a"])
    assert list(mine) == ["a", "b"]
    others, theirs = held.claim(["b", "c"])
    assert list(theirs) == ["c"]
    held.give("b", "B", 1)
    assert found["b"].result() == others["b"].result() == "B"


def test_the_longest_unused_go_first() -> None:
    held: Kept[str] = Kept(2)
    kept(held, "a", "b")
    assert kept(held, "a") == []
    assert kept(held, "c") == ["c"]
    assert kept(held, "a") == []
    assert kept(held, "b") == ["b"]


def test_nothing_is_kept_where_nothing_may_be_but_whoever_waits_gets_it() -> None:
    held: Kept[str] = Kept(0)
    _, mine = held.claim(["a"])
    waiting, _ = held.claim(["a"])
    assert list(mine) == ["a"]
    held.give("a", "A", 1)
    assert waiting["a"].result() == "A"
    assert kept(held, "a") == ["a"]


def test_what_was_given_up_is_claimed_by_the_next() -> None:
    held: Kept[str] = Kept(2)
    _, mine = held.claim(["a", "b"])
    waiting, _ = held.claim(["a", "b"])
    held.give("b", "B", 1)
    held.drop_undone(mine)
    with pytest.raises(Dropped):
        waiting["a"].result()
    assert waiting["b"].result() == "B"
    assert kept(held, "a", "b") == ["a"]


def test_what_another_has_claimed_since_is_not_given_up() -> None:
    held: Kept[str] = Kept(0)
    _, mine = held.claim(["a"])
    held.give("a", "A", 1)
    theirs, _ = held.claim(["a"])
    held.drop_undone(mine)
    held.give("a", "again", 1)
    assert theirs["a"].result() == "again"


def test_many_threads_make_each_value_once_while_all_of_them_are_kept() -> None:
    held: Kept[str] = Kept(100)
    made: list[str] = []

    def use(n: int) -> str:
        key = "abcdefgh"[n % 8]
        made.extend(kept(held, key))
        return held.claim([key])[0][key].result(5)

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(use, range(400))) == set("ABCDEFGH")
    assert sorted(made) == list("abcdefgh")

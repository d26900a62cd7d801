"""Of all pictures the worst are kept: few, of different streams, not the same moment twice."""

from __future__ import annotations

from typing import Any

from harness.picture.gallery import MOST, MOST_PER_STREAM, Entry, Gallery, Ranking


def entry(psnr: float, at: float, whose: str = "a", *, intact: bool = False) -> Entry:
    return Entry(intact, psnr, round(at * 1e6), (whose, "b"))


def kept(ranking: Ranking) -> list[tuple[str, float]]:
    return [(one.whose[0], one.psnr) for one in ranking.entries]


def test_neighbours_in_time_are_one_event_shown_at_its_worst() -> None:
    ranking = Ranking()
    assert ranking.admit(entry(30, 1.0))
    assert ranking.admit(entry(25, 1.2)), "worse, and takes its place"
    assert not ranking.admit(entry(28, 1.4))
    assert ranking.admit(entry(28, 2.4))
    assert kept(ranking) == [("a", 25), ("a", 28)]


def test_a_stream_has_no_more_than_its_share() -> None:
    ranking = Ranking()
    for second, psnr in enumerate((30, 29, 28, 31, 27)):
        ranking.admit(entry(psnr, 2 * second))
    assert kept(ranking) == [("a", 27), ("a", 28), ("a", 29)]
    assert len(ranking.entries) == MOST_PER_STREAM


def test_a_full_gallery_gives_up_its_best() -> None:
    ranking = Ranking()
    for number in range(MOST):
        assert ranking.admit(entry(20 + number, 0, str(number)))
    assert not ranking.admit(entry(40, 0, "x"))
    assert ranking.admit(entry(10, 0, "x"))
    assert len(ranking.entries) == MOST
    assert kept(ranking)[0] == ("x", 10) and kept(ranking)[-1] == (str(MOST - 2), 20 + MOST - 2)


def test_damaged_pictures_come_before_intact_ones() -> None:
    ranking = Ranking()
    for number in range(MOST):
        ranking.admit(entry(20, 0, str(number), intact=True))
    assert ranking.admit(entry(38, 0, "damaged"))
    assert kept(ranking)[0] == ("damaged", 38)


def test_the_master_keeps_the_worst_of_all_processes() -> None:
    def picture(psnr: float, subscriber: str) -> dict[str, Any]:
        return {"subscriber": subscriber, "publisher": "b", "psnr_db": psnr, "at_us": 0, "intact": False}

    gallery = Gallery()
    assert gallery.add_all([picture(20 + n, str(n)) for n in range(30)])
    assert not gallery.add_all([picture(50, "x")])
    assert not gallery.add_all([])
    assert [one["psnr_db"] for one in gallery.to_list()] == [20 + n for n in range(MOST)]

from __future__ import annotations

from xml.etree import ElementTree

from hunter.bench import picture

WORDS = picture.Words("a < b", "what stays", "messages/s", "us")
SVG = "{http://www.w3.org/2000/svg}"


def drawn(at: list[float], **series: list[float]) -> ElementTree.Element:
    return ElementTree.fromstring(picture.lines(WORDS, at, series))


def test_every_point_and_name_is_drawn_within_the_picture() -> None:
    root = drawn([0, 1, 1024, 3000], stream=[1.0, 2.0, 3.0, 4.0], brain=[0.0, 0.0, 0.5, 17.0])
    circles = root.findall(f"{SVG}circle")
    assert len(circles) == 8
    for circle in circles:
        assert 0 <= float(circle.get("cx", "-1")) <= picture.WIDTH
        assert 0 <= float(circle.get("cy", "-1")) <= picture.HEIGHT
    texts = [text.text for text in root.findall(f"{SVG}text")]
    assert {
        "a < b",
        "what stays",
        "messages/s",
        "us",
        "stream",
        "brain",
        "1,024",
        "3k",
        "20",
    } <= set(texts)


def test_higher_values_lie_higher() -> None:
    low, high = drawn([1, 2], stream=[1.0, 2.0]).findall(f"{SVG}circle")
    assert float(high.get("cy", "0")) < float(low.get("cy", "0"))
    assert float(high.get("cx", "0")) > float(low.get("cx", "0"))


def test_one_point_and_none_at_all_are_pictures_too() -> None:
    assert len(drawn([5], stream=[0.0]).findall(f"{SVG}circle")) == 1
    assert drawn([]).findall(f"{SVG}circle") == []


def test_names_of_lines_that_end_together_do_not_lie_on_each_other() -> None:
    root = drawn([1, 2], stream=[1.0, 2.0], brain=[0.0, 2.0])
    places = [float(text.get("y", "")) for text in root.findall(f"{SVG}text")
              if text.text in ("stream", "brain")]  # fmt: skip
    assert abs(places[0] - places[1]) >= 12
    flat = drawn([1, 2], stream=[0.0, 0.0], brain=[0.0, 0.0])
    for text in flat.findall(f"{SVG}text"):
        if text.text in ("stream", "brain"):
            assert float(text.get("y", "")) < picture.HEIGHT - 50


def test_colours_follow_the_readers_scheme() -> None:
    text = picture.lines(WORDS, [1], {"stream": [1.0]})
    light, dark = text.split("prefers-color-scheme: dark")
    for names, part in ((picture._LIGHT, light), (picture._DARK, dark)):
        assert all(name in part for name in names)

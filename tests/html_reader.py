"""HTML as a browser sees it: elements and text."""

from __future__ import annotations

from html.parser import HTMLParser


class Reader(HTMLParser):
    """elements: each tag with its attributes, in order; text: all of it."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(document)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

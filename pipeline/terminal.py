"""What a text stream can show: colour, block characters, width. Layer 2.

Everything printed for people goes through one of these, so that a pipe, a dumb terminal and an old encoding each get
text they can take. `NO_COLOR` and `TERM=dumb` are obeyed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

DEFAULT_WIDTH = 80
DEFAULT_HEIGHT = 24
_MIN_WIDTH = 40
_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_ASCII = str.maketrans({"█": "#", "▄": "#", "▀": "#", "░": ".", "─": "-", "│": "|", "…": "~", "·": "."})
_SENTIMENT_COLOURS = (("BULLISH", "green"), ("BEARISH", "red"))


@dataclass(frozen=True, slots=True)
class Terminal:
    """`interactive`: somebody watches, lines may be drawn again in place."""

    interactive: bool = False
    colour: bool = False
    unicode: bool = True
    width: int = DEFAULT_WIDTH
    height: int = DEFAULT_HEIGHT

    @classmethod
    def of(cls, stream: TextIO, environ: Mapping[str, str] | None = None) -> Terminal:
        """What `stream` can show; never raises, a closed stream can show nothing special."""
        environ = os.environ if environ is None else environ
        try:
            interactive = stream.isatty() and environ.get("TERM", "") != "dumb"
        except ValueError:
            interactive = False
        columns, lines = shutil.get_terminal_size((DEFAULT_WIDTH, DEFAULT_HEIGHT))
        return cls(
            interactive=interactive,
            colour=interactive and not environ.get("NO_COLOR"),
            unicode=_can_encode(getattr(stream, "encoding", None) or "ascii"),
            width=max(_MIN_WIDTH, columns) if interactive else DEFAULT_WIDTH,
            height=lines if interactive else DEFAULT_HEIGHT,
        )

    def paint(self, text: str, *styles: str) -> str:
        """`text` in the named styles, or as it is where there are no colours."""
        codes = ";".join(_CODES[style] for style in styles if style)
        return f"\x1b[{codes}m{text}\x1b[0m" if self.colour and codes else text

    def sentiment(self, label: str | None) -> str:
        colour = next((colour for word, colour in _SENTIMENT_COLOURS if label and word in label), "")
        return self.paint(label or "-", "bold", colour)

    def signed(self, text: str) -> str:
        """Text that starts with its sign, green for more, red for less."""
        stripped = text.strip()
        return self.paint(text, "green" if stripped.startswith("+") else "red" if stripped.startswith("-") else "")

    def bar(self, share: float | None, width: int) -> str:
        """A bar of `share` (0..1) of `width` columns, empty where undefined."""
        filled = 0 if share is None else round(max(0.0, min(1.0, share)) * width)
        return "█" * filled

    def encodable(self, text: str) -> str:
        """The text as this stream can take it."""
        return text if self.unicode else text.translate(_ASCII).encode("ascii", "replace").decode()


def _can_encode(encoding: str) -> bool:
    try:
        "█░…│".encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return False
    return True

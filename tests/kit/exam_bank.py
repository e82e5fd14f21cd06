"""A bank of exam questions of one's own, one of them with an image."""

import base64
from pathlib import Path

OWN = """
- id: own.{number}
  question: Is {number} even?
  several: {several}
  choices:
    - {{text: "yes, {number}", why: It is., right: true}}
    - {{text: "no, {number}", why: It is.}}
"""
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)


def make_bank(folder: Path) -> Path:
    """Write four questions, the first of them with several choices, into a folder below."""
    bank = folder / "bank"
    bank.mkdir()
    entries = (OWN.format(number=2 * n, several=str(n < 1).lower()) for n in range(4))
    (bank / "mine.yml").write_text("".join(entries), encoding="utf8")
    (bank / "own.2.png").write_bytes(PIXEL)
    return bank

"""Figures get lighter and still show the same."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pictures
from PIL import Image


def save(path: Path, pixels: np.ndarray) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return pixels.astype(int)


def read(path: Path, mode: str = "RGB") -> np.ndarray:
    return np.asarray(Image.open(path).convert(mode), dtype=int)


def ramp(height: int = 64, width: int = 128) -> np.ndarray:
    """Every pixel another colour: (height, width, 3)."""
    row, column = np.mgrid[:height, :width]
    return np.stack([row * 4, column * 2, (row * 7 + column * 5) % 256], axis=2)


def test_a_drawing_keeps_its_pixels(tmp_path):
    pixels = np.full((90, 120, 3), 255)
    pixels[20:40] = (0, 114, 178)
    pixels[:, 50:60] = (198, 82, 0)
    before = save(tmp_path / "a.png", pixels)
    after = pictures.light(tmp_path / "a.png")
    assert after.name == "a.webp" and not (tmp_path / "a.png").exists()
    assert np.array_equal(read(after), before)


def test_a_photograph_keeps_its_pixels_too(tmp_path):
    before = save(tmp_path / "a.png", ramp())
    assert np.array_equal(read(pictures.light(tmp_path / "a.png")), before)


def test_a_line_with_soft_edges_gets_256_colours_that_look_the_same(tmp_path):
    pixels = np.full((200, 200, 3), 255)
    pixels[:8, :128] = 200 + ramp(8, 128) // 5  # many colours on 3 % of the picture
    before = save(tmp_path / "a.png", pixels)
    assert len(np.unique(before.reshape(-1, 3), axis=0)) > 256
    after = read(pictures.light(tmp_path / "a.png"))
    assert len(np.unique(after.reshape(-1, 3), axis=0)) <= 256
    assert np.percentile(np.abs(after - before), 99) <= pictures.NEAR


def test_what_is_transparent_stays_so(tmp_path):
    alpha = np.full((9, 9, 1), 255)
    alpha[:3] = 0
    before = save(tmp_path / "a.png", np.concatenate([ramp(9, 9), alpha], axis=2))
    assert np.array_equal(read(pictures.light(tmp_path / "a.png"), "RGBA"), before)


def test_twice_gives_the_same_file(tmp_path):
    for name in ("a", "b"):
        save(tmp_path / f"{name}.png", ramp())
        pictures.light(tmp_path / f"{name}.png")
    assert (tmp_path / "a.webp").read_bytes() == (tmp_path / "b.webp").read_bytes()


def test_the_pages_show_the_new_files_also_after_a_second_build(tmp_path):
    app = SimpleNamespace(outdir=tmp_path, builder=SimpleNamespace(format="html"))
    page = tmp_path / "chapters" / "p.html"
    page.parent.mkdir()
    html = '<img src="../_images/a.png"><a href="_images/a.png"><img src="_static/b.png">'
    for _ in range(2):
        save(tmp_path / "_images" / "a.png", ramp())
        save(tmp_path / "_static" / "b.png", ramp())
        page.write_text(html)
        pictures.lighten_site(app, None)
        assert page.read_text() == html.replace("a.png", "a.webp")
        assert [path.name for path in (tmp_path / "_images").iterdir()] == ["a.webp"]
        assert (tmp_path / "_static" / "b.png").exists()

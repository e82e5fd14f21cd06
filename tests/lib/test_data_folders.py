import io
import os
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from data_helpers import random_pixels, refused, write
from PIL import Image
from torchvision.transforms import functional as TF

from dlvlib.data import CorruptFileError, load, read_image, split


def write_image(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def write_both(folder, name, pixels, **options):
    """The same image in train and in test; return the path of the one in test."""
    write_image(folder / "train" / name, pixels, **options)
    return write_image(folder / "test" / name, pixels, **options)


@pytest.fixture
def pets(tmp_path):
    """Two classes, three training images and one test image each, PNG in RGB, 6 wide, 4 high."""
    folder = tmp_path / "pets"
    for label, name in enumerate(("cat", "dog")):
        for number in range(4):
            part = "train" if number < 3 else "test"
            pixels = random_pixels(4, 6, 3, seed=10 * label + number)
            write_image(folder / part / name / f"{number}.png", pixels)
    return folder


def test_a_folder_of_images_becomes_tensors(pets):
    train, test = load(str(pets))
    assert (train.images.shape, test.images.shape) == ((6, 3, 4, 6), (2, 3, 4, 6))
    assert (train.targets.tolist(), test.targets.tolist()) == ([0, 0, 0, 1, 1, 1], [0, 1])
    assert (train.name, train.class_names) == ("pets", ("cat", "dog"))
    found = torch.cat([train.images, test.images]).permute(0, 2, 3, 1).numpy()
    expected = [random_pixels(4, 6, 3, seed=seed) for seed in (0, 1, 2, 10, 11, 12, 3, 13)]
    assert np.array_equal(found, expected)
    assert load(pets)[0].checksum == train.checksum  # a Path, and a second time


def test_files_of_the_system_are_ignored_and_folders_may_be_nested(pets):
    before = load(pets)[0]
    for path in (
        *(".DS_Store", "train/.ipynb_checkpoints/a.png", "train/cat/.ipynb_checkpoints/a.png"),
        *("train/cat/Thumbs.db", "train/dog/desktop.ini", "train/Thumbs.db", "train/notes.txt"),
        *("train/@eaDir/cat/a.png", "test/cat/@eaDir/0.png/x.jpg", "train/cat/._0.png"),
        *("train/__MACOSX/a.png", "test/dog/__MACOSX/a.png", "test/dog/sub/THUMBS.DB"),
    ):
        write((pets / path).parent, {Path(path).name: b"not an image"})
    assert load(pets)[0].checksum == before.checksum
    write_image(pets / "train/cat/more/9.png", random_pixels(4, 6, 3))
    assert load(pets)[0].targets.tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_files_are_sorted_by_their_whole_name(tmp_path):
    names = ("a-1.png", "a.png", "a/b.png", "é.png")  # the dash and the dot come before the slash
    for number in (2, 0, 3, 1):
        write_both(tmp_path, f"one/{names[number]}", np.full((1, 1), number, np.uint8))
    assert load(tmp_path)[0].images.flatten().tolist() == [0, 1, 2, 3]


def test_linked_folders_are_read_and_circles_refused(pets):
    train, test = load(pets)
    (pets / "train/cat").rename(pets / "elsewhere")
    (pets / "train/cat").symlink_to("../elsewhere")
    (pets / "test").rename(pets / "later")
    (pets / "test").symlink_to("later")
    assert [part.checksum for part in load(pets)] == [train.checksum, test.checksum]
    (pets / "train/dog/more").symlink_to("../../elsewhere")
    assert load(pets)[0].targets.tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1]
    (pets / "train/dog/again").symlink_to("..")
    with refused(ValueError, "link must not lead to a folder that contains it", "train/dog/again"):
        load(pets)
    (pets / "elsewhere").rename(pets / "gone")
    with pytest.raises(FileNotFoundError, match="train/cat"):
        load(pets)


def test_a_name_is_the_same_however_it_is_stored(pets):
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    for part, name in (("train", composed), ("test", decomposed)):
        (pets / part / "cat").rename(pets / part / name)
        (pets / part / "dog").rename(pets / part / "cafz")
    train, test = load(pets)
    assert train.class_names == test.class_names == ("cafz", composed)  # é as one letter is last
    dog = torch.from_numpy(random_pixels(4, 6, 3, seed=13))
    assert torch.equal(test.images[0].permute(1, 2, 0), dog)
    write_image(pets / "train" / decomposed / "a.png", random_pixels(4, 6, 3))
    with refused(ValueError, "class folders must have different names, got 2 named 'café'"):
        load(pets)
    for part in ("train", "test"):
        (pets / part / "cafz").rename(pets / part / os.fsdecode(b"caf\xe9"))  # Latin-1
    shutil.rmtree(pets / "train" / decomposed)
    assert load(pets)[0].class_names == ("caf\\xe9", composed)


def test_one_colour_image_makes_all_rgb_and_grey_ones_stay_grey(tmp_path):
    grey = random_pixels(5, 5)
    write_both(tmp_path, "one/a.png", grey)
    train, test = load(tmp_path)
    assert train.images.shape == (1, 1, 5, 5)
    assert torch.equal(train.images[0, 0], torch.from_numpy(grey))
    write_image(tmp_path / "test/one/b.png", random_pixels(5, 5, 3))
    train, test = load(tmp_path)
    assert (train.images.shape, test.images.shape) == ((1, 3, 5, 5), (2, 3, 5, 5))
    assert torch.equal(train.images[0], torch.from_numpy(grey).expand(3, 5, 5))
    (tmp_path / "test/one/b.png").rename(tmp_path / "train/one/b.png")  # the last one is grey
    assert load(tmp_path)[1].images.shape == (1, 3, 5, 5)


def test_jpegs_are_read_and_photos_turned_upright(tmp_path):
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, 8:] = 255  # dark on the left, bright on the right
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was turned: show it rotated by a quarter, clockwise
    image = read_image(write_image(tmp_path / "a.jpg", pixels, exif=turned, quality=95))
    assert image.shape == (3, 16, 8)
    assert image[:, :6].max() < 50 and image[:, 10:].min() > 200


def test_images_of_different_sizes_need_image_size(pets):
    odd = write_image(pets / "test/dog/3.png", random_pixels(7, 5, 3))
    rule = "images must have one size (width x height) unless image_size is given"
    with refused(ValueError, rule, f"{pets}/train/cat/0.png is 6 x 4", f"{odd} is 5 x 7"):
        load(pets)
    train, test = load(pets, image_size=4)
    assert (train.images.shape, test.images.shape) == ((6, 3, 4, 4), (2, 3, 4, 4))
    exact = TF.resize(torch.from_numpy(random_pixels(7, 5, 3)).permute(2, 0, 1).float(), [4, 4])
    assert torch.equal(test.images[1], exact.round().to(torch.uint8))


def test_parts_and_classes_that_are_missing_or_empty_or_differ_are_named(pets):
    for part in ("train", "test"):
        (pets / part).rename(pets / "elsewhere")
        with refused(FileNotFoundError, pets, "must hold train/ and test/", f"{part}/ is missing"):
            load(pets)
        write_image(pets / part / "a.png", random_pixels(4, 6, 3))
        with refused(ValueError, pets / part, "must hold a folder of images for each class"):
            load(pets)
        shutil.rmtree(pets / part)
        (pets / "elsewhere").rename(pets / part)
    (pets / "train/bird/.hidden").mkdir(parents=True)
    with refused(ValueError, "must hold at least one image", pets / "train/bird"):
        load(pets)
    write_image(pets / "train/bird/a.png", random_pixels(4, 6, 3))
    write_image(pets / "test/Dog2/a.png", random_pixels(4, 6, 3))
    rule = "must have the same classes"
    with refused(ValueError, pets, rule, "only in train: bird;", "only in test: Dog2"):
        load(pets)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "RGB", "L", "1"])
def test_what_is_transparent_is_white(tmp_path, mode):
    ink = np.zeros((4, 4), bool)
    ink[1:3, 2] = True
    if mode in ("RGBA", "LA", "PA"):  # black everywhere, opaque where there is ink
        image = Image.fromarray(np.zeros((4, 4), np.uint8)).convert(mode)
        image.putalpha(Image.fromarray(255 * ink.astype(np.uint8)))
        options = {}
    else:  # the second colour of the palette, or a grey or colour, stands for transparent
        levels = Image.fromarray(np.where(ink, 0, 1).astype(np.uint8))
        if mode == "P":
            levels.putpalette([0, 0, 0, 9, 9, 9])
        image = Image.fromarray(~ink) if mode == "1" else levels.convert(mode)
        clear = {"P": b"\xff\0", "RGB": (1, 1, 1), "L": 1, "1": 255}[mode]
        options = {"transparency": clear}
    path = tmp_path / ("a.tiff" if mode == "PA" else "a.png")
    image.save(path, **options)
    assert read_image(path).tolist() == [np.where(ink, 0, 255).tolist()] * 3
    half = write_image(tmp_path / "half.png", np.array([[[200, 0, 100, 128]]], np.uint8))
    assert read_image(half).flatten().tolist() == [227, 127, 177]


def test_every_flipped_byte_of_a_png_is_noticed(tmp_path):
    path = write_image(tmp_path / "a.png", random_pixels(2, 2))
    content = path.read_bytes()
    for index in range(len(content) - 12):  # the chunk IEND, the last 12 bytes, has no content
        path.write_bytes(content[:index] + bytes([content[index] ^ 1]) + content[index + 1 :])
        with refused(CorruptFileError, path):
            read_image(path)


@pytest.mark.filterwarnings("ignore")  # as a user who sees no warning as an error
def test_an_image_of_144_megapixels_in_17_kilobytes_is_refused_unread(pets):
    path = pets / "train/cat/z.png"
    Image.new("1", (12_000, 12_000)).save(path)
    assert path.stat().st_size < 18_000
    with refused(CorruptFileError, path, "144000000 pixels"):
        load(pets, image_size=8)
    with refused(CorruptFileError, path, "144000000 pixels"):
        read_image(path)


def test_a_default_device_changes_nothing(pets):
    expected = [part.checksum for name in (pets, "digits") for part in load(name, image_size=5)]
    with torch.device("meta"):
        sets = [part for name in (pets, "digits") for part in load(name, image_size=5)]
        assert [part.checksum for part in sets] == expected
        assert split(sets[2])[1].images.device.type == "cpu"


def test_an_unreadable_image_is_named_and_left_alone(pets):
    stream = io.BytesIO()
    Image.fromarray(random_pixels(64, 64, 3)).save(stream, "JPEG")
    half = stream.getvalue()[:2000]
    for name, content in {"x.png": b"", "notes.txt": b"cats", "a.jpg": half}.items():
        path = write(pets / "train/cat", {name: content}) / name
        with refused(CorruptFileError, path, "cannot be read as an image", "fix or remove it"):
            load(pets)
        assert path.read_bytes() == content
        path.unlink()
    path = write_image(pets / "train/cat/x.png", random_pixels(4, 6).astype(np.uint16) * 257)
    with refused(CorruptFileError, path, "pixels must have 8 bits, their type is I;16"):
        load(pets)  # they are not clipped
    path.unlink()
    path.symlink_to(pets / "gone.png")
    with refused(CorruptFileError, path, "No such file"):
        load(pets)
    path.unlink()
    os.mkfifo(path)  # reading it would block forever
    with refused(CorruptFileError, path, "not a regular file"):
        load(pets)

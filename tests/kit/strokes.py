"""Ten digits that we drew ourselves, as strokes: lists of points [x, y] in a square of side 1."""

import math


def _arc(x, y, rx, ry, start, end, steps=24):
    """Points of an ellipse; angles in degrees, clockwise from the right."""
    turns = [math.radians(start + (end - start) * i / steps) for i in range(steps + 1)]
    return [[x + rx * math.cos(turn), y + ry * math.sin(turn)] for turn in turns]


DIGITS = [
    [_arc(0.5, 0.5, 0.2, 0.3, -90, 270)],
    [[[0.4, 0.32], [0.53, 0.2], [0.5, 0.8]]],
    [[*_arc(0.5, 0.36, 0.19, 0.16, -170, 40), [0.32, 0.8], [0.72, 0.78]]],
    [[*_arc(0.48, 0.35, 0.18, 0.15, -150, 80), *_arc(0.48, 0.65, 0.2, 0.16, -80, 150)]],
    [[[0.42, 0.2], [0.3, 0.55], [0.7, 0.53]], [[0.6, 0.3], [0.57, 0.82]]],
    [[[0.68, 0.2], [0.38, 0.22], [0.36, 0.47], *_arc(0.48, 0.62, 0.2, 0.18, -110, 150)]],
    [[[0.58, 0.18], [0.42, 0.35], *_arc(0.48, 0.64, 0.15, 0.17, -180, 180)]],
    [[[0.3, 0.22], [0.7, 0.2], [0.58, 0.5], [0.48, 0.82]]],
    [[*_arc(0.5, 0.35, 0.15, 0.15, 90, 450), *_arc(0.5, 0.66, 0.17, 0.16, -90, 270)]],
    [[*_arc(0.5, 0.36, 0.15, 0.16, 0, 360), [0.64, 0.5], [0.55, 0.82]]],
]


def placed(strokes, *, degrees=0.0, size=1.0, shift=(0.0, 0.0), slant=0.0):
    """The strokes turned, slanted and scaled about the middle, then shifted."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def move(x, y):
        x, y = x - 0.5, y - 0.5
        x -= slant * y
        x, y = size * (cos * x - sin * y), size * (sin * x + cos * y)
        return [x + 0.5 + shift[0], y + 0.5 + shift[1]]

    return [[move(*point) for point in stroke] for stroke in strokes]

"""dlvlib: the small library behind the course "Deep learning for vision: classification".

Importing the package itself loads neither torch nor matplotlib; import the module you need,
for example ``from dlvlib.models.lenet import LeNet5``.
"""

import sys
from importlib.abc import MetaPathFinder

__version__ = "0.1.0"

_MOVED = {  # modules of the first edition
    **{name: f"dlvlib.profile.{name}" for name in ("cost", "receptive_field", "summary", "trace")},
    **dict.fromkeys(("prices", "windows"), "dlvlib.profile.rules"),
    **{name: f"coursekit.{name}" for name in ("checks", "exam", "live", "quiz", "quizzes")},
    "exam_page": "coursekit.exam.page",
}


class _MovedModules(MetaPathFinder):
    """Raise an error that names the new module."""

    def find_spec(self, fullname: str, *_: object) -> None:
        package, _dot, name = fullname.partition(".")
        if package == "dlvlib" and name in _MOVED:
            raise ImportError(f"{fullname} has moved: import {_MOVED[name]}", name=fullname)


sys.meta_path.insert(0, _MovedModules())  # first: an empty folder of that name would be found too

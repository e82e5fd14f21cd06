"""Who may import whom: every module imports only from the layers below it, and in no circle."""

import ast
import importlib.util
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import dlvlib

ROOT = Path(dlvlib.__file__).parents[1]
FOUNDATION = {"_common"}  # imports nothing of its own
ALLOWED = {  # a module or package: its siblings that it may import, besides the foundation
    **{name: set() for name in ("runtime", "metrics", "plotting", "_records")},
    **{"results": {"_records"}, "experiments": {"results", "runtime"}},
    **{"models": set(), "profile": {"runtime"}, "visualize": {"runtime", "profile"}},
    **{"_image_files": set(), "_photographs": {"_image_files"}},
    "data": {"_image_files", "_photographs"},
    "models.pretrained": {"models", "_image_files", "runtime"},
    "training": {"runtime", "metrics"},
    "training.__main__": {"training", "runtime", "metrics", "models", "data"},
    "commands": {"data", "models", "profile", "runtime"},
    "__main__": {"commands", "training"},
}
ONLY_IN = {
    "matplotlib": {"plotting"},
    "torchvision": {"data", "models.pretrained"},
    "PIL": {"_image_files"},
    "sklearn": {"data"},
}
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("dlvlib", "coursekit")
    for path in sorted((ROOT / package).rglob("*.py"))
}


def imports(source: str) -> set[str]:
    """Modules of ours where they exist, else what is written; in functions too."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            assert node.module and node.level == 0, f"a relative import in line {node.lineno}"
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in SOURCES else node.module for name in full}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


GRAPH = {module: imports(path.read_text(encoding="utf8")) for module, path in SOURCES.items()}


def test_modules_import_only_what_is_below_them():
    problems = []
    for module, targets in GRAPH.items():
        package, _, name = module.partition(".")
        if package != "dlvlib":
            continue
        room = name if name in ALLOWED else name.partition(".")[0]
        below = {"", room.partition(".")[0], *FOUNDATION, *ALLOWED.get(room, ())}
        if name in FOUNDATION:
            below = set()
        for target in targets:
            top, _, rest = target.partition(".")
            if top == "coursekit" or (top == "dlvlib" and rest.partition(".")[0] not in below):
                problems.append(f"{module} imports {target}")
            elif top in ONLY_IN and not {name, room} & ONLY_IN[top]:
                problems.append(f"{module} imports {top}")
            elif room == "models" and name != room and target.startswith("dlvlib.models"):
                problems += [f"{module} imports {target}"] * (target != "dlvlib.models.blocks")
    assert problems == []


def test_no_circle_of_imports():
    graph = {module: targets & GRAPH.keys() for module, targets in GRAPH.items()}
    assert len(graph) > 50 and graph["dlvlib.models.lenet"] == {"dlvlib.models.blocks"}
    assert "dlvlib.profile.trace" in graph["dlvlib.profile.receptive_field"]  # in a function
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


LOADED = {  # of the packages that are slow to import, those that a process has after each line
    "import dlvlib": "",
    "from dlvlib import results; results.load('degradation', None)": "",
    "from dlvlib.profile.receptive_field import grow; grow([(3,)])": "",
    "from dlvlib import __main__ as m; m._parser().format_help()": "",
    "from dlvlib.data import load; load('digits', image_size=32)": "torch",
}


def test_what_is_slow_to_import_is_imported_where_it_is_needed():
    check = "; print(*{'matplotlib', 'torch', 'torchvision'} & {*sys.modules})"
    code = "\n".join(["import sys", *(line + check for line in LOADED)])
    printed = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert printed.splitlines() == list(LOADED.values())


def test_an_import_from_the_old_place_names_the_new_one():
    for statement, new in (
        ("import dlvlib.checks.on_loop", "coursekit.checks"),
        ("from dlvlib import cost", "dlvlib.profile.cost"),
        ("from dlvlib.summary import summarize", "dlvlib.profile.summary"),
    ):
        with pytest.raises(ImportError, match=rf"dlvlib\.\w+ has moved: import {new}$"):
            exec(statement)
    for new in dlvlib._MOVED.values():
        assert importlib.util.find_spec(new), new
    with pytest.raises(ModuleNotFoundError, match="No module named 'dlvlib.nothing'"):
        exec("import dlvlib.nothing")

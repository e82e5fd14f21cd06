"""dlvlib is layered: a module may import only from the layers below it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dlvlib

ROOT = Path(dlvlib.__file__).parent
ALLOWED = {
    "__init__": set(),
    "runtime": set(),
    "metrics": set(),
    "plotting": set(),
    "results": set(),
    "live": set(),
    "quiz": {"live"},
    "cost": set(),
    "trace": {"runtime"},
    "windows": {"trace"},
    "receptive_field": {"runtime", "trace", "windows"},
    "prices": {"cost", "trace"},
    "summary": {"cost", "prices", "receptive_field", "trace"},
    "checks": {"checks", "cost", "metrics", "models", "receptive_field", "summary"}
    | {"data", "results", "runtime", "training"},  # a run is repeated to check a student's
    "models": {"models"},
    "visualize": {"runtime", "visualize"},
    "data": {"runtime"},
    "training": {"training", "runtime", "metrics"},
    "training.__main__": {"training", "runtime", "models", "data"},  # the command
    "exam": {"checks", "metrics", "quiz", "receptive_field"},
    "exam_page": {"exam"},
    "commands": {
        "data",
        "exam",
        "exam_page",
        "models",
        "receptive_field",
        "runtime",
        "summary",
        "trace",
    },
    "__main__": {"commands", "training"},
}
ONLY_IN = {"matplotlib": {"plotting"}, "torchvision": {"data"}, "sklearn": {"data"}}
MODULES = sorted(ROOT.rglob("*.py"))


def imports(source: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def layer_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts) if ".".join(parts) in ALLOWED else parts[0]


def siblings(source: str) -> set[str]:
    parts = [name.split(".") for name in imports(source)]
    return {p[1] for p in parts if p[0] == "dlvlib" and len(p) > 1}


def test_both_ways_to_import_a_sibling_are_seen():
    assert siblings("from dlvlib import metrics\nimport dlvlib.data\n") == {"metrics", "data"}
    assert siblings("from dlvlib.models.lenet import LeNet5") == {"models"}
    assert siblings("import dlvlib\nimport torch.nn") == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_imports_only_downwards(path):
    source = path.read_text()
    assert siblings(source) <= ALLOWED[layer_of(path)]
    for name in imports(source):
        package = name.split(".")[0]
        assert layer_of(path) in ONLY_IN.get(package, {layer_of(path)}), f"{package} in {path}"


def test_importing_dlvlib_loads_neither_torch_nor_matplotlib():
    code = "import sys, dlvlib; sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

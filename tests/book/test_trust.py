"""What readers and their machines may rely on: no code in checkpoints, no unchecked download."""

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

import notebooks  # noqa: E402

UNPICKLERS = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
NETWORK = {"aiohttp", "ftplib", "http.client", "httpx", "huggingface_hub", "requests", "socket"}
NETWORK |= {"urllib.request", "urllib3", "torch.hub"}
# dlvlib.data downloads, through torchvision, which checks every archive against its MD5; what
# happens to a wrong one is tested in tests/test_data.py. It names the network's errors itself.
DOWNLOADS = {ROOT / "dlvlib" / "data.py": {"http.client", "socket", "download=bool(missing)"}}
TIME = r"\b\d[\d.]*\s*(?:s|sec|seconds?|min|minutes?|h|hours?)\b"
T4_TIME = re.compile(rf"\bT4\b[^.\n]*?{TIME}|{TIME}[^.\n]*?\bT4\b", re.IGNORECASE)


def code_of(path: Path) -> str:
    if path.suffix == ".py":
        return path.read_text(encoding="utf8")
    cells = json.loads(path.read_text(encoding="utf8"))["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")


def sources(*folders: str) -> list[Path]:
    """List the notebooks and the Python files of these folders."""
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [*files, *notebooks.book_notebooks()]


def imported(tree: ast.AST) -> set[str]:
    """List what is imported, 'a.b' for both `import a.b` and `from a import b`, with parents."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    parents = [name.split(".") for name in names]
    return {".".join(parts[:n]) for parts in parents for n in range(1, len(parts) + 1)}


def calls(tree: ast.AST) -> list[tuple[str, dict[str, str]]]:
    """List the calls: what is called, and the keywords, as written."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [
        (ast.unparse(n.func), {k.arg or "**": ast.unparse(k.value) for k in n.keywords})
        for n in nodes
    ]


def unsafe_loads(code: str) -> list[str]:
    """List what could run code that hides in a file."""
    tree = ast.parse(code)
    found = sorted(imported(tree) & (UNPICKLERS | {"torch.load"}))
    for name, keywords in calls(tree):
        if name == "torch.load" and keywords.get("weights_only") != "True":
            found.append("torch.load without weights_only=True")
        if name.endswith(".load") and keywords.get("allow_pickle", "False") != "False":
            found.append(f"{name} with allow_pickle")
    return found


def downloads(code: str) -> list[str]:
    """List what could fetch something from the network."""
    tree = ast.parse(code)
    found = sorted(imported(tree) & NETWORK)
    for name, keywords in calls(tree):
        if keywords.get("download", "False") not in ("False", "download"):
            found.append(f"download={keywords['download']}")
        if keywords.get("weights", "None") != "None" and "models" in name:
            found.append(f"{name} with weights")
        if re.search(r"hub\.load|urlopen|urlretrieve|download_|fetch_|_from_url|_download$", name):
            found.append(name)
    return found


@pytest.mark.parametrize(
    "path",
    sources("dlvlib", "_ext", "tools", "benchmarks"),
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_nothing_loads_code_from_a_file_or_downloads_unchecked(path):
    assert unsafe_loads(code_of(path)) == []
    assert set(downloads(code_of(path))) <= DOWNLOADS.get(path, set())


def test_the_tests_load_checkpoints_in_the_same_way():
    for path in sorted((ROOT / "tests").glob("*.py")):
        assert "torch.load without weights_only=True" not in unsafe_loads(code_of(path)), path


@pytest.mark.parametrize(
    ("find", "code"),
    [
        (unsafe_loads, "torch.load(path)"),
        (unsafe_loads, "torch.load(path, weights_only=False)"),
        (unsafe_loads, "from torch import load"),
        (unsafe_loads, "import pickle"),
        (unsafe_loads, "from joblib import load"),
        (unsafe_loads, "np.load(path, allow_pickle=True)"),
        (downloads, "from urllib.request import urlopen"),
        (downloads, "import requests"),
        (downloads, "datasets.MNIST(root, download=True)"),
        (downloads, "torch.hub.load('a/b', 'c')"),
        (downloads, "load_state_dict_from_url(url)"),
        (downloads, "models.resnet18(weights='DEFAULT')"),
    ],
)
def test_each_way_is_found(find, code):
    assert len(find(code)) == 1


def test_what_is_safe_is_let_alone():
    code = "torch.load(path, map_location='cpu', weights_only=True)\nnp.load(path)\njson.load(f)"
    assert unsafe_loads(code) == downloads(code) == []
    assert downloads("data.load('mnist', download=False)\nfrom urllib.parse import quote") == []


def test_no_page_says_how_long_a_t4_takes_unless_that_was_recorded():
    records = (ROOT / "chapters" / "results").rglob("*.json")
    if any(re.search(r"\bT4\b", path.read_text(encoding="utf8")) for path in records):
        return
    for path in [ROOT / "index.md", ROOT / "README.md", *ROOT.glob("chapters/**/*.md")]:
        assert not T4_TIME.search(path.read_text(encoding="utf8")), path
    for path in notebooks.book_notebooks():
        cells = json.loads(path.read_text(encoding="utf8"))["cells"]
        assert not T4_TIME.search("\n".join("".join(cell["source"]) for cell in cells)), path


def test_a_time_on_a_t4_would_be_found():
    assert T4_TIME.search("On Colab's T4 this takes 3 min.")
    assert T4_TIME.search("About 90 seconds on a T4")
    assert not T4_TIME.search("A T4 has no bfloat16. The page takes 8 seconds.")

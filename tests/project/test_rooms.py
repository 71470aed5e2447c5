"""Who imports whom, against the table of rooms in CONTRIBUTING.md."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "skfastnn"
ENTRIES = {
    path.name + "/" * path.is_dir()
    for path in PACKAGE.iterdir()
    if (path.suffix == ".py" or (path / "__init__.py").exists()) and path.name != "__init__.py"
}


def rooms():
    """Return the rooms from the top down: a name, and the modules and folders that are in it."""
    rows = re.findall(r"^\| (.+?) \| .+? \| (.+) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    return [(name, ENTRIES & set(re.findall(r"`([\w/.]+)`", files))) for name, files in rows[1:]]


def imported(path):
    """Yield the names that a module imports from the package, wherever in its text: `_plan`, `search._engine`."""
    text = path.read_text()
    if path.suffix != ".py":
        yield from re.findall(r"^\s*from skfastnn\.([\w.]+) c?import", text, re.MULTILINE)
        return
    for node in ast.walk(ast.parse(text)):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (name.removeprefix("skfastnn.") for name in names if name.startswith("skfastnn."))


def entry_of(name):
    first = name.split(".")[0]
    return next((entry for entry in (f"{first}/", f"{first}.py") if entry in ENTRIES), None)


def test_every_module_is_in_one_room():
    listed = [entry for _, entries in rooms() for entry in entries]
    assert sorted(listed) == sorted(ENTRIES)


def test_no_room_imports_one_above_it():
    level = {entry: number for number, (_, entries) in enumerate(rooms()) for entry in entries}
    up, n_seen = [], 0
    for path in PACKAGE.rglob("*"):
        mine = entry_of(path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", "."))
        if path.suffix not in (".py", ".pyx", ".pxd") or mine is None:
            continue
        for theirs in filter(None, map(entry_of, imported(path))):
            n_seen += 1
            if level[theirs] < level[mine]:
                up.append(f"{path.relative_to(ROOT)} imports {theirs}")
    assert not up
    assert n_seen > 300

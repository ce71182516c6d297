"""The walls of the house, over every import: at the top, inside functions, and those
that only a type checker sees."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[1] / "iris_core"
MOST_LOOSE = 3  # modules beside the folders

Imports = dict[str, set[str]]  # of each module: those of the same package


def all_imports(root: Path) -> Imports:
    """What each module of a package imports of it."""
    files = {}
    for file in root.rglob("*.py"):
        parts = file.relative_to(root.parent).with_suffix("").parts
        files[".".join(parts).removesuffix(".__init__")] = file
    return {
        name: {
            module
            for text in names_imported(name, file)
            for module in modules_run(text, name, set(files))
        }
        for name, file in files.items()
    }


def names_imported(name: str, file: Path) -> Iterator[str]:
    """Dotted names of modules, or of what they define, wherever a file imports them."""
    package = name if file.stem == "__init__" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def modules_run(text: str, by: str, known: set[str]) -> Iterator[str]:
    """The module behind an imported name, and the packages around it, which Python
    imports first; not those around the importing module: they were there before it."""
    while text and text not in known:
        text = text.rpartition(".")[0]
    if text and text != by:
        yield text
    while text := text.rpartition(".")[0]:
        if text in known and not inside(by, text):
            yield text


def circle(imports: Imports) -> str:
    """The arrows of a circle, or "" if there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return " -> ".join(reversed(error.args[1]))
    return ""


def arrows(imports: Imports, into: str, *, without: tuple[str, ...] = ()) -> list[str]:
    """Imports of a folder's modules, but by its own and by `without`."""
    return sorted(
        f"{name} -> {module}"
        for name, modules in imports.items()
        for module in modules
        if inside(module, into) and not inside(name, into) and name not in without
    )


def inside(module: str, folder: str) -> bool:
    return f"{module}.".startswith(f"{folder}.")


def loose_modules(root: Path) -> list[str]:
    """The modules beside the folders, but for the face and the command line."""
    return sorted({file.stem for file in root.glob("*.py")} - {"__init__", "cli"})


@pytest.fixture(scope="module")
def imports() -> Imports:
    return all_imports(HOUSE)


def test_no_circles(imports: Imports) -> None:
    assert not (found := circle(imports)), f"a circle of imports: {found}"


def test_the_core_stands_without_the_tools(imports: Imports) -> None:
    doors = ("iris_core", "iris_core.cli")  # the face and the command line
    found = arrows(imports, "iris_core.tools", without=doors)
    assert not found, f"the core imports the tools: {', '.join(found)}"


def test_the_models_stand_without_the_variants(imports: Imports) -> None:
    models = {m: found for m, found in imports.items() if inside(m, "iris_core.models")}
    found = arrows(models, "iris_core.variants")
    assert not found, f"the paper's models import a variant: {', '.join(found)}"


def test_few_modules_are_loose() -> None:
    found = loose_modules(HOUSE)
    assert len(found) <= MOST_LOOSE, f"{len(found)} loose modules: {', '.join(found)}"


# The walls would be seen to fall


def build(folder: Path, files: dict[str, str]) -> Path:
    """A package `house` with these files."""
    for name, text in files.items():
        path = folder / "house" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "house"


@pytest.mark.parametrize(
    "files",
    [
        {"a.py": "import house.b", "b.py": "from house.a import x"},
        {"a.py": "from . import b", "b.py": "def f():\n    from .a import x"},
        {
            "a.py": "import house.b",
            "b.py": "from typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    from house.a import x",
        },
    ],
    ids=["plain", "late and relative", "for types"],
)
def test_a_circle_is_found(files: dict[str, str], tmp_path: Path) -> None:
    found = circle(all_imports(build(tmp_path, {"__init__.py": "", **files})))
    assert found in ("house.a -> house.b -> house.a", "house.b -> house.a -> house.b")


def test_a_circle_through_the_front_of_a_folder_is_found(tmp_path: Path) -> None:
    files = {
        "b/__init__.py": "from house.a import x",
        "b/c.py": "",
        "a.py": "from house.b.c import y",  # which runs b/__init__.py first
    }
    found = circle(all_imports(build(tmp_path, files)))
    assert found in ("house.a -> house.b -> house.a", "house.b -> house.a -> house.b")


def test_a_tree_without_circles(tmp_path: Path) -> None:
    files = {
        "__init__.py": "from house.b import d",  # the face
        "b/__init__.py": "from .c import y",
        "b/c.py": "from house.b import d\nimport os.path",
        "b/d.py": "",
        "a.py": "import house.b.c\nfrom house import b",
    }
    imports = all_imports(build(tmp_path, files))
    assert circle(imports) == ""
    assert imports["house.a"] == {"house.b", "house.b.c"}
    assert imports["house.b.c"] == {"house.b.d"}


def test_an_arrow_through_a_wall_is_named(tmp_path: Path) -> None:
    files = {
        "__init__.py": "from house.tools import play",
        "cli.py": "def f():\n    from house.tools.play import x",
        "core.py": "def f():\n    import house.tools.play",
        "tools/play.py": "from house.tools import other",
        "tools/other.py": "",
        "toolshed.py": "",
    }
    root = build(tmp_path, files)
    found = arrows(all_imports(root), "house.tools", without=("house", "house.cli"))
    assert found == ["house.core -> house.tools.play"]
    assert loose_modules(root) == ["core", "toolshed"]

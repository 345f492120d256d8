from __future__ import annotations

import ast
import json
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stacks.errors import AssetError
from stacks.lambda_asset import BROADCASTER_MODULES, REGISTERING_MODULES, REGISTERING_SOURCES, source_files


@pytest.fixture
def clone(tmp_path) -> Path:
    """A project with the folders that the asset is made of, for tests that change them."""
    root = tmp_path / "clone"
    (root / "lambda_src").mkdir(parents=True)
    (root / "lambda_src" / "handler.py").write_text("def handler(event, context):\n    return {'statusCode': 200}\n")
    (root / "lambda_src" / "frames.py").write_text("FRAMES = ()\n")
    (root / "lambda_src" / "registry.py").write_text("ROWS = ()\n")
    for name in ("__init__.py", "engine.py", *BROADCASTER_MODULES, *REGISTERING_MODULES):
        path = root / "broadcaster" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("NUMBER = 1\n")
    return root


def asset_of(template_path: Path) -> Path:
    """The directory that becomes the function's code."""
    template = json.loads(template_path.read_text("utf-8"))
    [key] = [
        resource["Properties"]["Code"]["S3Key"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function"
    ]
    return template_path.parent / f"asset.{key.removesuffix('.zip')}"


def test_the_asset_has_the_handler_at_its_root_and_the_named_modules_of_the_library(clone, template_path):
    asset = asset_of(template_path(project=clone))
    found = {path.relative_to(asset).as_posix() for path in asset.rglob("*") if path.is_file()}
    assert found == {"handler.py", "frames.py", *(f"broadcaster/{name}" for name in BROADCASTER_MODULES)}


def test_where_the_gateway_registers_connections_there_is_more_in_it(clone, template_path):
    asset = asset_of(template_path(project=clone, registry="dynamodb"))
    found = {path.relative_to(asset).as_posix() for path in asset.rglob("*") if path.is_file()}
    modules = [f"broadcaster/{name}" for name in (*BROADCASTER_MODULES, *REGISTERING_MODULES)]
    assert found == {"handler.py", "frames.py", "registry.py", *modules}


def test_what_tests_and_editors_leave_behind_does_not_change_the_hash(clone, template_path):
    before = asset_of(template_path(project=clone)).name
    for source in clone.rglob("*.py"):
        py_compile.compile(str(source), doraise=True)
    (clone / "lambda_src" / "handler.py~").write_text("an editor's backup")
    (clone / "lambda_src" / ".DS_Store").write_bytes(b"\0")
    assert list(clone.rglob("__pycache__/*.pyc"))
    assert asset_of(template_path(project=clone)).name == before


def test_the_hash_does_not_depend_on_where_the_clone_is(clone, template_path, tmp_path):
    shutil.copytree(clone, tmp_path / "elsewhere")
    first, second = (asset_of(template_path(project=place)).name for place in (clone, tmp_path / "elsewhere"))
    assert first == second


@pytest.mark.parametrize("changed", ["lambda_src/frames.py", "broadcaster/signing.py"])
def test_a_changed_source_changes_the_hash(clone, template_path, changed):
    before = asset_of(template_path(project=clone)).name
    with (clone / changed).open("a") as source:
        source.write("# changed\n")
    assert asset_of(template_path(project=clone)).name != before


def test_a_library_module_that_the_lambda_does_not_import_does_not_change_the_hash(clone, template_path):
    before = asset_of(template_path(project=clone)).name
    (clone / "broadcaster" / "engine.py").write_text("NUMBER = 2\n")
    assert asset_of(template_path(project=clone)).name == before


@pytest.mark.parametrize("missing", ["lambda_src/handler.py", "broadcaster/signing.py"])
def test_a_missing_source_is_named(clone, missing):
    (clone / missing).unlink()
    with pytest.raises(AssetError, match=f"^{missing} is missing"):
        source_files(clone)


def package_of(folder: Path) -> str:
    parts = folder.parts
    first = parts.index("broadcaster") if "broadcaster" in parts else parts.index("lambda_src") + 1
    return ".".join(parts[first:])


def imported_names(source: Path) -> set[str]:
    """Modules that a file names in import statements, those inside functions too but not those for type checkers."""
    names: set[str] = set()
    tree = ast.parse(source.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body.clear()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            package = package_of([*source.parents][node.level - 1]) if node.level else ""
            names.add(f"{package}.{node.module}".removeprefix("."))
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize(("registers", "publishes"), [(False, False), (True, False), (True, True)])
def test_the_bundle_has_what_the_lambda_imports_of_the_library_and_no_more(project, registers, publishes):
    files = source_files(project, registers=registers, publishes=publishes)
    imported = set().union(*(imported_names(source) for source in files.values()))
    assert {name for name in imported if name.split(".")[0] == "broadcaster"} == {
        name.removesuffix(".py").replace("/", ".") for name in files if name.startswith("broadcaster/")
    }


def test_what_only_registering_needs_is_there(project):
    assert set(REGISTERING_SOURCES) <= set(source_files(project))


@pytest.mark.parametrize("which", ["default_template_path", "registering_template_path"])
def test_every_bundled_module_needs_nothing_but_the_standard_library(request, which):
    asset = asset_of(request.getfixturevalue(which))
    names = [
        path.relative_to(asset).with_suffix("").as_posix().replace("/", ".") for path in sorted(asset.rglob("*.py"))
    ]
    assert "handler" in names
    program = (
        f"import importlib, sys; sys.path.insert(0, {str(asset)!r}); [importlib.import_module(n) for n in {names}]"
    )
    # Isolated, and without site-packages: nothing of this environment or this project is in reach.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")

"""A lesson's sliders and menus in JupyterLab, moved as a reader would move them."""

from __future__ import annotations

import nbformat
import pytest
from lessons.build.series import FOLDER, SERIES

from iris_core.tools.benchmarks.browser import RUN_ALL, notebook_at, write_notebook

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]
SETUP = f"""
import os
import sys

os.environ["IRIS_PRESET"] = "smoke"
sys.path.insert(0, {str(FOLDER)!r})
"""
MAKE_IT = ("from lessons", "CATALOGUE =", "explore(scrub")  # in the cells that do


def test_a_slider_and_a_menu_draw_anew(page, jupyter, served):
    """Both redraw the picture; a slider takes the arrow keys; nothing goes wrong."""
    lesson = nbformat.read(FOLDER / SERIES[1].file, as_version=4)
    code = [cell.source for cell in lesson.cells if cell.cell_type == "code"]
    cells = [source for source in code if any(part in source for part in MAKE_IT)]
    assert len(cells) == len(MAKE_IT)
    write_notebook(served / "lesson.ipynb", SETUP, *cells)
    page.goto(notebook_at(jupyter("lab"), "lab", "lesson.ipynb"))
    page.evaluate(RUN_ALL)

    widget = page.locator(".widget-vbox:has(> img.widget-image)")
    picture, handle = widget.locator("img.widget-image"), widget.locator(".noUi-handle")
    picture.wait_for()
    assert handle.get_attribute("aria-valuenow") == "58.0"
    before = picture.get_attribute("src")
    handle.press("ArrowRight")
    wait_for_another(page, before)
    assert handle.get_attribute("aria-valuenow") == "59.0"
    before = picture.get_attribute("src")
    widget.locator("select").select_option("Catch, caught")
    wait_for_another(page, before)
    assert widget.locator("pre").count() == 0  # where an error would be told


def wait_for_another(page, before: str) -> None:
    """Until a widget's picture is not the one it was, and is there."""
    page.wait_for_function(
        """before => {
            const picture = document.querySelector("img.widget-image");
            return picture.src !== before && picture.complete && picture.naturalWidth;
        }""",
        arg=before,
    )

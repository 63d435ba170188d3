"""Builds the browser page before a wheel is made; everything else about the distribution stands in setup.cfg."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from setuptools import setup
from setuptools.command.build_py import build_py

DASHBOARD = Path(__file__).parent / "pipeline" / "dashboard"


def page_builder() -> ModuleType:
    """`pipeline.dashboard.build` by its path: the package needs what is not installed yet."""
    spec = importlib.util.spec_from_file_location("page_builder", DASHBOARD / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class BuildWithPage(build_py):
    """An editable installation is a checkout, where `make page` builds; a source archive brings the page built."""

    def run(self) -> None:
        if not self.editable_mode and (DASHBOARD / "page" / "package.json").is_file():
            builder = page_builder()
            try:
                builder.build()
            except builder.PageBuildError as error:
                raise SystemExit(f"the browser page was not built: {error}") from None
        super().run()


setup(cmdclass={"build_py": BuildWithPage})

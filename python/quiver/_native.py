"""Loads the native module, once it is clear that it finds the LibTorch it was built with and no other."""

import importlib.metadata
import os
import sys

from quiver._built_with import TORCH_VERSION


def _check_torch():
    imported = sys.modules.get("torch")
    version = getattr(imported, "__version__", None)
    if version is None:
        try:
            version = importlib.metadata.version("torch")
        except importlib.metadata.PackageNotFoundError:
            version = TORCH_VERSION  # beside the module, or found by the loader
    if version.split("+")[0] != TORCH_VERSION:
        raise ImportError(
            f"quiver was built for torch {TORCH_VERSION}, and this Python has torch {version}: two LibTorches do "
            f"not fit in one process. Install torch=={TORCH_VERSION}."
        )


def _load():
    _check_torch()
    # OpenMP reads it when it is loaded: threads that wait for each other spin for a moment only.
    is_own = "OMP_WAIT_POLICY" not in os.environ and "GOMP_SPINCOUNT" not in os.environ
    if is_own:
        os.environ["GOMP_SPINCOUNT"] = "2000"
    try:
        from quiver import _quiver
    finally:
        if is_own:
            del os.environ["GOMP_SPINCOUNT"]
    return _quiver


native = _load()
set_threads = native.set_threads
__version__ = native.__version__

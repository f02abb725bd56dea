"""Mixtures of LoRA experts: train them, keep them in libraries, route among them.

    import quiver
    base = quiver.BaseModel("path/to/model")              # a Hugging Face folder or a .gguf file
    library = quiver.ExpertLibrary("local://experts", create=True)
    quiver.train({"dataset": "rows.jsonl", "total_steps": 50}, base, library)
    quiver.prototypes.arrow(library)
    model = quiver.RoutedModel(base, library, router="arrow", top_k=2)
    print(model.generate("Where does the sun rise?").text)

Everything that takes time lets other Python threads run and ends on Ctrl-C. Failures are raised as
quiver.Error, whose subclasses say the kind, with a hint. `import quiver` loads no LibTorch: the first use of
anything but the errors does.
"""

import importlib

from quiver.errors import (
    AlreadyExists,
    Busy,
    CorruptFile,
    Error,
    InputOutput,
    Interrupted,
    InvalidArgument,
    NotFinite,
    NotFound,
    Stale,
    Unavailable,
    Unsupported,
)

_LAZY = {
    "BaseModel": "quiver.models",
    "RoutedModel": "quiver.models",
    "Generation": "quiver.models",
    "Score": "quiver.models",
    "Expert": "quiver.libraries",
    "ExpertLibrary": "quiver.libraries",
    "merge": "quiver.libraries",
    "cluster": "quiver.libraries",
    "train": "quiver.training",
    "full_config": "quiver.training",
    "set_threads": "quiver._native",
    "__version__": "quiver._native",
}
_MODULES = ("prototypes", "evaluate")

__all__ = [
    "AlreadyExists",
    "Busy",
    "CorruptFile",
    "Error",
    "InputOutput",
    "Interrupted",
    "InvalidArgument",
    "NotFinite",
    "NotFound",
    "Stale",
    "Unavailable",
    "Unsupported",
    *(name for name in _LAZY if name != "__version__"),
    *_MODULES,
]


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"quiver.{name}")
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'quiver' has no attribute '{name}'")


def __dir__():
    return sorted([*__all__, "__version__"])

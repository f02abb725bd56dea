"""What the make_*.py scripts share: where golden files go, how they are written, how random tensors are drawn.

Every script is run by scripts/make_golden with one thread, so that a second run writes the same bytes.
"""

import json
import os
import pathlib

import torch
import transformers
from safetensors.torch import save_file

transformers.utils.logging.disable_progress_bar()
DIRECTORY = pathlib.Path(__file__).resolve().parent


def write_tensors(name, tensors):
    """Writes {tensor name: tensor} to NAME; floats become float32."""
    stored = {}
    for key, tensor in tensors.items():
        tensor = tensor.detach()
        stored[key] = (tensor.float() if tensor.is_floating_point() else tensor).contiguous().clone()
    save_file(stored, DIRECTORY / name)


def write_json(name, value):
    """Writes VALUE to NAME; arrays of numbers stay on one line."""
    (DIRECTORY / name).write_text(_render(value, "") + "\n")


def _render(value, indent):
    inner = indent + " "
    if isinstance(value, dict):
        rows = [f"{inner}{json.dumps(key)}: {_render(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(rows) + "\n" + indent + "}"
    if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        return "[\n" + ",\n".join(inner + _render(item, inner) for item in value) + "\n" + indent + "]"
    return json.dumps(value, ensure_ascii=False)


def read_json(name):
    return json.loads((DIRECTORY / name).read_text())


def smollm2_path():
    """The GGUF file that scripts/make_golden fetched."""
    return pathlib.Path(os.environ["QUIVER_SMOLLM2_GGUF"])


class Random:
    """Normal numbers and integers from one seeded generator, independent of torch's global one."""

    def __init__(self, seed):
        self._generator = torch.Generator().manual_seed(seed)

    def normal(self, shape, std):
        return torch.randn(tuple(shape), generator=self._generator) * std

    def ids(self, count, begin, end):
        return torch.randint(begin, end, (count,), generator=self._generator).tolist()


def max_difference(left, right):
    """The largest absolute difference, taken in float64."""
    return (left.double() - right.double()).abs().max().item()

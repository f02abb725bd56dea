#!/usr/bin/env python3
"""Golden files for the reader of torch.save files.

Reference: torch 2.15.0, numpy 2.4.
Writes:    torch_files.json            what both files hold: a dict of dicts, each tensor as its element type and values
           torch_archive.pt            the values as torch.save writes them
           torch_legacy.pt             those of one storage, and the plain values, in the format before torch 1.6
"""

import collections
import io
import re

import numpy
import torch

from golden_files import DIRECTORY, write_json

GRID = torch.arange(12.0).reshape(3, 4)
OF_ONE_STORAGE = ("transposed", "column", "later_rows")


def tensors():
    """Tensors of every element type, and of every layout of their numbers in a storage."""
    values = {}
    for dtype in (
        torch.uint8,
        torch.int8,
        torch.int16,
        torch.int32,
        torch.int64,
        torch.float16,
        torch.bfloat16,
        torch.float32,
        torch.float64,
        torch.uint16,
        torch.uint32,
        torch.uint64,
        torch.float8_e4m3fn,
        torch.float8_e5m2,
    ):
        values[str(dtype).removeprefix("torch.")] = torch.tensor([[0, 1, 2], [3, 4, 5]]).to(dtype)
    values["bool"] = torch.tensor([True, False])
    values["transposed"] = GRID.t()
    values["column"] = GRID[:, 1]
    values["later_rows"] = GRID[1:]
    values["expanded"] = torch.tensor([7.0]).expand(2, 3)
    values["scalar"] = torch.tensor(2.5)
    values["empty"] = torch.zeros(0, 4)
    values["parameter"] = torch.nn.Parameter(torch.tensor([1.0, -1.0]))
    return values


def arrays():
    """numpy arrays and numbers, as mttl stores them in artefacts."""
    return {
        "float32": numpy.array([[1.5, -2.0, 0.25]], dtype=numpy.float32),
        "float64": numpy.array([1e300, -0.0]),
        "int64": numpy.array([-1, 2**40]),
        "bool": numpy.array([True, False]),
        "column_major": numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3)),
        "empty": numpy.zeros((0, 2)),
    }


def plain():
    """What stands beside tensors in checkpoints and settings."""
    return {
        "none": None,
        "true": True,
        "small": 3,
        "negative": -70000,
        "large": 2**40,
        "number": 0.1,
        "text": "näive",
        "list": [1, "two", [3.0]],
        "numpy_number": numpy.float32(0.5),
        "numpy_integer": numpy.int64(-9),
        "size": torch.Size([2, 3]),
        "tuple": (1, 2),
        "device": torch.device("cpu"),
        "dtype": torch.bfloat16,
        "ordered": collections.OrderedDict(b=1, a=2),
        "one_of_a_set": {"x"},
        "bytes": b"\x00\xff",
        "no_bytes": b"",
    }


def describe(value):
    """A plain value as JSON holds it."""
    if isinstance(value, dict):
        return {key: describe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [describe(item) for item in value]
    if isinstance(value, numpy.generic):
        return value.item()
    if isinstance(value, bytes):
        return [byte for byte in value]
    if isinstance(value, (torch.device, torch.dtype)):
        return str(value)
    return value


def describe_tensor(tensor):
    tensor = torch.as_tensor(tensor)
    numbers = tensor.detach().double().flatten().tolist()
    return {"type": str(tensor.dtype).removeprefix("torch."), "shape": list(tensor.shape), "values": numbers}


def legacy_bytes(value):
    """The older format with its one storage key, an address in memory, made the same in every run."""
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=False)
    # A text of 8 digits or more: the address, once in every persistent id and once in the list of keys.
    addresses = re.compile(rb"X(.)\x00\x00\x00(\d{8,})q")
    found = {match[2] for match in addresses.finditer(buffer.getvalue())}
    assert len(found) == 1, found
    return addresses.sub(b"X\x01\x00\x00\x000q", buffer.getvalue())


def main():
    values = {"tensors": tensors(), "arrays": arrays(), "plain": plain()}
    values["state"] = torch.nn.Linear(2, 1, bias=False).state_dict()  # an OrderedDict with attributes
    values["state"]["weight"] = torch.tensor([[0.5, -0.5]])
    torch.save(values, DIRECTORY / "torch_archive.pt")
    legacy = {"tensors": {name: values["tensors"][name] for name in OF_ONE_STORAGE}, "plain": plain()}
    (DIRECTORY / "torch_legacy.pt").write_bytes(legacy_bytes(legacy))
    described = {
        group: {name: describe_tensor(tensor) for name, tensor in values[group].items()}
        for group in ("tensors", "arrays", "state")
    }
    write_json("torch_files.json", {**described, "plain": describe(values["plain"])})


if __name__ == "__main__":
    main()

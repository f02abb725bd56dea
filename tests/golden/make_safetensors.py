#!/usr/bin/env python3
"""A golden file for the safetensors reader and writer: one tensor of every element type.

Reference: safetensors 0.8.0, numpy 2.
Writes:    dtypes.safetensors   value i of each tensor is i (i % 2 for booleans), shape (2, 3); names are in
                                no order that the types are in; plus an empty tensor and a scalar
"""

from pathlib import Path

import numpy as np
from safetensors import TensorSpec, serialize_file

VALUES = np.arange(6).reshape(2, 3)
# 0 .. 5 as 8-bit floats: sign, exponent (bias 7 or 15), mantissa (3 or 2 bits).
E4M3 = np.array([0x00, 0x38, 0x40, 0x44, 0x48, 0x4A], dtype=np.uint8)
E5M2 = np.array([0x00, 0x3C, 0x40, 0x42, 0x44, 0x45], dtype=np.uint8)


def main() -> None:
    tensors = {}
    keep = []  # serialize_file reads the arrays through raw pointers

    def add(name: str, dtype: str, array: np.ndarray) -> None:
        keep.append(array)
        tensors[name] = TensorSpec(dtype=dtype, shape=array.shape, data_ptr=array.ctypes.data, data_len=array.nbytes)

    for dtype in (
        "uint8",
        "int8",
        "int16",
        "uint16",
        "float16",
        "int32",
        "uint32",
        "float32",
        "float64",
        "int64",
        "uint64",
    ):
        add(dtype[::-1], dtype, VALUES.astype(dtype))
    add("bool", "bool", VALUES % 2 == 1)
    add("bf16", "bfloat16", (VALUES.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16))
    add("e4m3", "float8_e4m3fn", E4M3.reshape(2, 3))
    add("e5m2", "float8_e5m2", E5M2.reshape(2, 3))
    add('scalar "ü"\n', "float32", np.array(7, np.float32))
    add("empty", "float32", np.zeros((0, 4), np.float32))
    serialize_file(tensors, Path(__file__).parent / "dtypes.safetensors", {"format": "pt"})


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Golden values for the GGUF reader: random blocks of every type that Quiver reads, and what gguf makes of them.

Reference: gguf 0.19.0 (gguf.quants.dequantize), safetensors 0.8.0, numpy 2.
Writes:    gguf_types.gguf             a tensor "<type>" of shape (3, 512) for each type, and metadata
           gguf_types.safetensors      the float32 values expected for each
"""

from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import save_file

ROWS, COLUMNS = 3, 512
# Byte positions of half-precision numbers in a block. They get moderate values; all other bytes are random.
HALF_POSITIONS = {
    Type.Q4_0: [0],
    Type.Q4_1: [0, 2],
    Type.Q5_0: [0],
    Type.Q5_1: [0, 2],
    Type.Q8_0: [0],
    Type.Q4_K: [0, 2],
    Type.Q5_K: [0, 2],
    Type.Q6_K: [208],
}


def random_rows(rng: np.random.Generator, kind: Type) -> np.ndarray:
    values = rng.standard_normal((ROWS, COLUMNS)).astype(np.float32)
    if kind == Type.F32:
        return values
    if kind == Type.F16:
        return values.astype(np.float16)
    if kind == Type.BF16:
        return gguf.quants.quantize(values, kind)
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (ROWS, COLUMNS // elements, size), dtype=np.uint8)
    for position in HALF_POSITIONS[kind]:
        scales = (rng.standard_normal(blocks.shape[:2]) * 0.02).astype(np.float16)
        # One subnormal, one negative zero: conversions of half precision must handle both.
        scales[0, :2] = [np.float16(3e-7), np.float16(-0.0)]
        blocks[..., position : position + 2] = scales[..., None].view(np.uint8)
    return blocks.reshape(ROWS, -1)


def main() -> None:
    folder = Path(__file__).parent
    rng = np.random.default_rng(7)
    writer = gguf.GGUFWriter(folder / "gguf_types.gguf", "llama")
    writer.add_uint32("test.uint32", 4_000_000_000)
    writer.add_int8("test.int8", -5)
    writer.add_uint64("test.uint64", 2**63 + 1)
    writer.add_float32("test.float32", 0.5)
    writer.add_bool("test.bool", True)
    writer.add_string("test.string", "grüße")
    writer.add_array("test.strings", ["a", "", "βγ"])
    writer.add_array("test.integers", [1, -2, 3])
    expected = {}
    for kind in (Type.F32, Type.F16, Type.BF16, *HALF_POSITIONS):
        rows = random_rows(rng, kind)
        raw = None if kind in (Type.F32, Type.F16) else kind
        writer.add_tensor(kind.name, rows, raw_dtype=raw)
        values = rows if kind == Type.F32 else gguf.quants.dequantize(rows, kind)
        expected[kind.name] = np.ascontiguousarray(values, dtype=np.float32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(expected, folder / "gguf_types.safetensors")


if __name__ == "__main__":
    main()

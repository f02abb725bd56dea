"""Writes a GGUF model as a float32 Hugging Face folder, the form in which the Python peers read it.

    convert_model.py MODEL.gguf FOLDER
"""

import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

QUANTISATION_KEYS = {"quantization_config", "_name_or_path", "dtype", "torch_dtype"}


def convert(source, folder):
    source = pathlib.Path(source)
    where = {"pretrained_model_name_or_path": str(source.parent), "gguf_file": source.name}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    dequantised = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    # A model that came from GGUF does not save itself; its weights move to one that was never quantised.
    config = dequantised.config
    settings = {key: value for key, value in config.to_dict().items() if key not in QUANTISATION_KEYS}
    model = AutoModelForCausalLM.from_config(type(config)(**settings), dtype=torch.float32)
    model.load_state_dict(dequantised.state_dict(), strict=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    convert(sys.argv[1], sys.argv[2])

"""The base model, or PEFT's Arrow over every adapter of a folder, with two experts a token."""

import pathlib

import torch
from peft import ArrowConfig
from peft.tuners.lora import create_arrow_model
from transformers import AutoModelForCausalLM


def load(model_folder, experts_folder=None):
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    if experts_folder:
        paths = sorted(str(path) for path in pathlib.Path(experts_folder).iterdir())
        model = create_arrow_model(
            base_model=model, task_specific_adapter_paths=paths, arrow_config=ArrowConfig(top_k=2, rng_seed=0)
        )
    return model.eval()

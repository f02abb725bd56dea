#!/usr/bin/env python3
"""Golden files for importing adapters: LoRA adapters on tiny_llama as PEFT saves them, and their logits.

Reference: PEFT 0.21.2, transformers 5.23.0, torch 2.15.0.
Needs make_tiny_models.py. Writes peft_adapters/<case>/ (as save_pretrained leaves it, without README.md),
peft_adapters.json (`ids`; `cases`) and peft_adapters.safetensors (`<case>/logits`, (8, 320), of the adapter as PEFT
loads it again).
"""

import shutil

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from golden_files import DIRECTORY, Random, max_difference, write_json, write_tensors

# Options of LoraConfig; `dtype` and `pickled` say how the weights are saved.
CASES = {
    "pickled": {"target_modules": ["q_proj", "v_proj"], "pickled": True},
    "patterns": {
        "target_modules": ["q_proj", "k_proj", "v_proj"],
        "rank_pattern": {"layers.1.self_attn.q_proj": 1, "^model.layers.0.*v_proj": 4},
        "alpha_pattern": {"k_proj": 12, "self_attn.v_proj": 3},
    },
    "rank_stabilised": {
        "target_modules": ["q_proj", "down_proj"],
        "use_rslora": True,
        "rank_pattern": {"down_proj": 3},
    },
    "regex": {"target_modules": r".*\.[01]\.(self_attn\.[qo]|mlp\.gate)_proj", "dtype": torch.bfloat16},
    "all_linear": {"target_modules": "all-linear", "exclude_modules": ["o_proj"]},
    "one_layer": {
        "target_modules": ["up_proj", "k_proj"],
        "layers_to_transform": [1],
        "layers_pattern": "layers",
        "dtype": torch.float16,
    },
}


def base_model():
    return AutoModelForCausalLM.from_pretrained(DIRECTORY / "tiny_llama", dtype=torch.float32).eval()


def save_adapter(name, options, random):
    """Both factors are random: PEFT starts B at zero."""
    options = dict(options)
    dtype, pickled = options.pop("dtype", torch.float32), options.pop("pickled", False)
    config = LoraConfig(r=2, lora_alpha=5, task_type="CAUSAL_LM", **options)
    model = get_peft_model(base_model(), config, autocast_adapter_dtype=False)
    for path, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.data = random.normal(parameter.shape, 0.3).to(dtype)
    model.peft_config["default"].base_model_name_or_path = "tiny_llama"
    directory = DIRECTORY / "peft_adapters" / name
    shutil.rmtree(directory, ignore_errors=True)
    model.save_pretrained(directory, safe_serialization=not pickled)
    (directory / "README.md").unlink(missing_ok=True)
    return directory


@torch.no_grad()
def main():
    random = Random(31)
    ids = random.ids(8, 1, 320)
    base = base_model()(torch.tensor([ids])).logits[0]
    tensors = {}
    for name, options in CASES.items():
        directory = save_adapter(name, options, random)
        logits = PeftModel.from_pretrained(base_model(), directory).eval()(torch.tensor([ids])).logits[0]
        assert max_difference(logits, base) > 0.1, name
        tensors[f"{name}/logits"] = logits
    write_tensors("peft_adapters.safetensors", tensors)
    write_json("peft_adapters.json", {"ids": ids, "cases": list(CASES)})


if __name__ == "__main__":
    main()

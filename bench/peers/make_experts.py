"""Writes PEFT adapters with random weights: LoRA of rank 4 on q, k and v; B is normal with deviation 0.02.

    make_experts.py MODEL_FOLDER FOLDER COUNT
"""

import pathlib
import sys

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM


def main():
    model_folder, folder, count = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
    config = LoraConfig(
        r=4, lora_alpha=16, lora_dropout=0.0, target_modules=["q_proj", "k_proj", "v_proj"], task_type="CAUSAL_LM"
    )
    for number in range(count):
        torch.manual_seed(1234 + number)
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32), config)
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.data.normal_(0, 0.02)
        model.save_pretrained(folder / f"expert_{number:02}")


if __name__ == "__main__":
    main()

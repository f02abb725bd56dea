#!/usr/bin/env python3
"""Arrow over eight trained experts: quiver with --compat peft beside PEFT 0.21.2 itself, from the same seed.

    check_peft_arrow.py --quiver build/quiver NEW_FOLDER EXPERTS      (packages: requirements_peers.txt)

EXPERTS is the folder that trained_experts.py made.
"""

import torch
from peft import ArrowConfig
from peft.tuners.lora import create_arrow_model
from peft.tuners.lora.arrow import ArrowLoraLinearLayer
from transformers import AutoModelForCausalLM, AutoTokenizer

from compare_routing import QuiverModel, TransformersModel, compare
from quiver_program import Comparisons, Quiver, arguments
from trained_experts import TASKS, places


class PeftModel(TransformersModel):
    def __init__(self, base, library):
        model = create_arrow_model(
            base_model=AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32),
            task_specific_adapter_paths=[str(library / task) for task in TASKS],
            arrow_config=ArrowConfig(top_k=3, router_temperature=1.0, rng_seed=42),
        )
        super().__init__(model, AutoTokenizer.from_pretrained(base))
        self.routers = {
            name.removeprefix("base_model.model.").split(".lora_arrow")[0]: module
            for name, module in model.named_modules()
            if isinstance(module, ArrowLoraLinearLayer)
        }

    @torch.no_grad()
    def weights(self, prompt):
        inputs = {}
        hooks = [
            module.register_forward_pre_hook(lambda _, x, path=path: inputs.__setitem__(path, x[0]))
            for path, module in self.routers.items()
        ]
        self.run(self.ids(prompt))
        for hook in hooks:
            hook.remove()
        return {path: self.weights_of(module, inputs[path][0]) for path, module in self.routers.items()}

    @staticmethod
    def weights_of(module, x):
        """The layer does not give out its coefficients; this repeats the three lines that make them."""
        similarity = torch.abs(x @ module.prototypes.T)
        top, index = torch.topk(similarity, module.top_k, dim=1)
        scores = torch.full_like(similarity, float("-inf")).scatter_(1, index, top)
        return torch.softmax(scores / module.temperature, dim=1)


def main():
    options = arguments(__doc__.splitlines()[0], experts=True)
    quiver, comparisons = Quiver(options.quiver), Comparisons()
    base, library = places(options.experts)
    ours = QuiverModel(quiver, options.folder, base, library, "--router", "arrow", "--compat", "peft")
    theirs = PeftModel(base, library)
    compare(comparisons, "PEFT's Arrow", ours, theirs, TASKS, theirs.tokenizer)
    comparisons.finish()


if __name__ == "__main__":
    main()

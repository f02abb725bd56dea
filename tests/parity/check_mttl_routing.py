#!/usr/bin/env python3
"""Uniform, Arrow, PhatGOOSE and average activation over eight trained experts: quiver with --compat mttl beside mttl 1.0.2 itself.

    check_mttl_routing.py --quiver build/quiver NEW_FOLDER EXPERTS      (packages: requirements_mttl.txt)

EXPERTS is the folder that trained_experts.py made. The experts and gates go to mttl through `quiver library export`; Arrow's
prototypes are computed by each side. What had to be worked round in mttl 1.0.2: PhatGOOSE's containers merge before, so they
are told to merge after, as its own configuration says; the uniform selector's configuration lacks the attribute `finetune_task_name`. Experts are added
in the order of their names, where mttl adds them in the order in which threads finish.
"""

import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

import check_mttl  # noqa: F401  stand-ins for what importing mttl asks for
from compare_routing import QuiverModel, TransformersModel, compare
from mttl.evaluators.base import decode
from mttl.models.containers.selectors.arrow_selector import ArrowSelectorConfig
from mttl.models.containers.selectors.average_activation_selector import AverageActivationSelectorConfig
from mttl.models.containers.selectors.per_token_selector import PerTokenSelector
from mttl.models.containers.selectors.phatgoose_selector import PhatgooseSelectorConfig
from mttl.models.containers.selectors.poly_selector import PolySelectorDirectConfigUniform
from mttl.models.expert_model import MultiExpertModel, MultiExpertModelConfig
from mttl.models.library.expert_library import ExpertLibrary
from mttl.models.library.library_transforms import ArrowConfig, ArrowTransform
from quiver_program import Comparisons, Quiver, arguments
from trained_experts import TASKS, places

PolySelectorDirectConfigUniform.finetune_task_name = None


class MttlModel(TransformersModel):
    # Its logging wants to know the task; no routing here depends on it.
    GENERATE = {"task_names": ["none"]}

    def __init__(self, base, library, selector):
        model = MultiExpertModel(
            MultiExpertModelConfig(base_model=str(base), selector_config=selector), device_map="cpu", precision="32"
        )
        for name in sorted(library.keys()):
            model.add_expert_instance(library[name])
        super().__init__(model, AutoTokenizer.from_pretrained(base))
        self.selectors = {
            name.removeprefix("model.").removesuffix(".selector"): module
            for name, module in model.named_modules()
            if name.endswith(".selector")
        }

    def run(self, ids):
        tokens = torch.tensor([ids])
        return self.model.forward(
            input_ids=tokens, attention_mask=torch.ones_like(tokens), **self.GENERATE
        ).logits[0]

    @torch.no_grad()
    def weights(self, prompt):
        outputs = {}
        hooks = [
            module.register_forward_hook(lambda _, inputs, output, path=path: outputs.__setitem__(path, output))
            for path, module in self.selectors.items()
        ]
        ids = self.ids(prompt)
        self.run(ids)
        for hook in hooks:
            hook.remove()
        return {path: self.dense(output, len(ids)) for path, output in outputs.items()}

    @staticmethod
    def dense(output, tokens):
        """(T, E), experts in the order of their names."""
        if isinstance(output.experts, list):  # names, one weight each for all tokens
            return torch.stack([output.weights.reshape(-1)[output.experts.index(name)] for name in TASKS]).expand(tokens, -1)
        if isinstance(output.experts, torch.Tensor):
            return torch.zeros(tokens, len(TASKS)).scatter_(1, output.experts[0], output.weights[0])
        return output.weights[0]

    def text(self, prompt, ids, prompt_length):
        """As GenerativeEvaluator cuts it."""
        whole = decode(torch.tensor([ids]), self.tokenizer)[0]
        if prompt in whole:
            return whole.split(prompt)[1]
        return decode(torch.tensor([ids[prompt_length:]]), self.tokenizer)[0]


def give_gates(model, library):
    """The gates that quiver trained, as the prototypes of every selector."""
    gates = [load_file(library / task / "artefacts" / "phatgoose.safetensors") for task in TASKS]
    for path, selector in model.selectors.items():
        assert isinstance(selector, PerTokenSelector)
        selector.overwrite_prototypes(torch.stack([of_expert[path] for of_expert in gates]))


def give_means(model, library):
    """The means of the statistics that quiver made, at length 1, as the prototypes of every selector."""
    statistics = [load_file(library / task / "artefacts" / "statistics.safetensors") for task in TASKS]
    for path, selector in model.selectors.items():
        means = torch.stack([of_expert[path + ".input"] for of_expert in statistics])
        selector.overwrite_prototypes(torch.nn.functional.normalize(means, dim=1))


def main():
    options = arguments(__doc__.splitlines()[0], experts=True)
    quiver, comparisons = Quiver(options.quiver), Comparisons()
    base, source = places(options.experts)
    quiver.run("prototypes", "statistics", source, "-c", options.experts / "train.json", "--rows", "20")
    exported = options.folder / "library"
    quiver.run("library", "export", source, exported, "--format", "mttl")
    uri = f"local://{exported}"
    library = ExpertLibrary.get_expert_library(uri)
    ArrowTransform(ArrowConfig()).transform(library, persist=True, recompute=True)
    cases = {
        "uniform": ("uniform", PolySelectorDirectConfigUniform()),
        "Arrow, top 2": ("arrow --top-k 2", ArrowSelectorConfig(library_id=uri, top_k=2)),
        "Arrow, all": ("arrow", ArrowSelectorConfig(library_id=uri)),
        "PhatGOOSE": ("phatgoose", PhatgooseSelectorConfig()),
        "average activation": ("average_activation", AverageActivationSelectorConfig()),
        "average activation, norms": (
            "average_activation --input-norm norm_d --proto-norm norm_p",
            AverageActivationSelectorConfig(input_norm_fn="norm_d", proto_norm_fn="norm_p"),
        ),
    }
    for name, (router, selector) in cases.items():
        theirs = MttlModel(base, library, selector)
        if router.startswith("average_activation"):
            give_means(theirs, source)
        if router == "phatgoose":
            give_gates(theirs, source)
            for container in theirs.model.experts_containers:
                container.lora_merge_after = True
        ours = QuiverModel(quiver, options.folder, base, source, "--compat", "mttl", "--router", *router.split())
        compare(comparisons, f"mttl's {name}", ours, theirs, TASKS, theirs.tokenizer)
    comparisons.finish()


if __name__ == "__main__":
    main()

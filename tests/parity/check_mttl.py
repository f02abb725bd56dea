#!/usr/bin/env python3
"""Expert libraries both ways: what mttl 1.0.2 writes, quiver reads; what quiver writes, mttl reads. Tensors are equal.

    python -m venv FOLDER && FOLDER/bin/pip install -r tests/parity/requirements_mttl.txt
    FOLDER/bin/python tests/parity/check_mttl.py --quiver build/quiver NEW_FOLDER

Empty modules stand in for two that importing mttl asks for and nothing here uses: triton.ops, which triton 3 no longer
has, and a metric that fetches a tokenizer from the network when it is imported.
"""

import json
import sys
import types

import torch
from safetensors.torch import load_file

from quiver_program import BASE, Comparisons, Quiver, arguments

NOT_NEEDED = (
    "triton.ops",
    "triton.ops.blocksparse",
    "triton.ops.blocksparse.matmul",
    "mttl.dataloader.ni_metrics",
)
for module_name in NOT_NEEDED:
    stand_in = types.ModuleType(module_name)
    stand_in.__getattr__ = lambda name: None
    sys.modules[module_name] = stand_in

from mttl.models.containers.selectors.arrow_selector import ArrowSelectorConfig  # noqa: E402
from mttl.models.expert_model import MultiExpertModel, MultiExpertModelConfig  # noqa: E402
from mttl.models.library.expert import Expert, ExpertInfo  # noqa: E402
from mttl.models.library.expert_library import ExpertLibrary  # noqa: E402
from mttl.models.library.library_transforms import ArrowTransform, ArrowConfig  # noqa: E402
from mttl.models.modifiers.lora import LoRAConfig  # noqa: E402

WIDTHS = {"q_proj": (32, 32), "k_proj": (32, 16), "v_proj": (32, 16)}
TIE = "q_proj.*\\.lora_a|k_proj.*\\.lora_a|v_proj.*\\.lora_a"
# rank, alpha and what else LoRAConfig takes.
EXPERTS = {
    "plain": {"lora_rank": 4, "lora_alpha": 16},
    "other_rank": {"lora_rank": 2, "lora_alpha": 3.0, "lora_dropout": 0.05},
    "tied": {"lora_rank": 4, "lora_alpha": 4, "tie_params": TIE},
}
GATES = "phatgooseconfig-dab0c51c605d7a2d64960c9edfe59f1d"


def modules():
    return [f"model.layers.{layer}.self_attn.{name}" for layer in (0, 1) for name in WIDTHS]


def make_expert(name, settings, generator):
    config = LoRAConfig(modify_modules=".*self_attn", modify_layers="q_proj|k_proj|v_proj", **settings)
    weights = {}
    for module in modules():
        width, out = WIDTHS[module.rsplit(".", 1)[1]]
        if config.tie_params is None or module.endswith("q_proj"):
            weights[f"{module}.lora_a"] = torch.randn(width, config.lora_rank, generator=generator) * 0.3
        weights[f"{module}.lora_b"] = torch.randn(config.lora_rank, out, generator=generator) * 0.3
    info = ExpertInfo(
        expert_name=name,
        expert_task_name=f"{name}_task,shared_task",
        expert_config=config,
        training_config={"model": str(BASE), "dataset": "some/tasks", "learning_rate": 0.01, "seed": 42},
        expert_model=str(BASE),
    )
    return Expert(info, weights)


def library_of_mttl(directory):
    generator = torch.Generator().manual_seed(43)
    library = ExpertLibrary.get_expert_library(f"local://{directory}", create=True)
    for name, settings in EXPERTS.items():
        library.add_expert(make_expert(name, settings, generator))
    library.add_expert(make_expert("removed", EXPERTS["plain"], generator))
    library.remove_expert("removed")
    gates = {
        name: {f"{module}.selector.{name}.v": torch.randn(1, 32, generator=generator).numpy() for module in modules()}
        for name in EXPERTS
    }
    for name, data in gates.items():
        library.add_auxiliary_data(GATES, name, {"n_steps": 50, "learning_rate": 0.001}, data)
    vectors = ArrowTransform(ArrowConfig()).transform(library, persist=True)
    return ExpertLibrary.get_expert_library(f"local://{directory}"), vectors, gates


def name_of_mttl(name):
    module = name.removeprefix("base_model.model.")
    return module.replace("lora_A.weight", "lora_a").replace("lora_B.weight", "lora_b")


def compare_expert(comparisons, what, expert, directory):
    """An Expert of mttl with a PEFT folder that quiver exported."""
    tensors = load_file(directory / "adapter_model.safetensors")
    weights = expert.expert_weights
    comparisons.equal(f"{what}: number of tensors", len(tensors), len(weights))
    differences = [(weights[name_of_mttl(name)].t() - tensor).abs().max().item() for name, tensor in tensors.items()]
    comparisons.within(f"{what}: tensors", max(differences), 0)
    config = json.loads((directory / "adapter_config.json").read_text())
    theirs = expert.expert_info.expert_config
    comparisons.equal(f"{what}: rank", config["r"], theirs.lora_rank)
    comparisons.equal(f"{what}: alpha", float(config["lora_alpha"]), float(theirs.lora_alpha))
    comparisons.equal(f"{what}: dropout", config["lora_dropout"], theirs.lora_dropout)


def compare_vectors(comparisons, what, ours, vectors):
    comparisons.equal(f"{what}: modules", sorted(ours), sorted(vectors))
    largest = max((ours[module] - torch.as_tensor(vectors[module]).flatten()).abs().max().item() for module in ours)
    comparisons.within(what, largest, 0)


def from_mttl(comparisons, quiver, folder):
    library, vectors, gates = library_of_mttl(folder / "mttl")
    target = folder / "imported"
    quiver.run("library", "import", folder / "mttl", target)
    comparisons.equal("experts of mttl in quiver", quiver.run("library", "ls", target).split(), sorted(EXPERTS))
    for name in EXPERTS:
        exported = folder / "from_mttl" / name
        quiver.run("library", "export", target, name, exported)
        compare_expert(comparisons, f"mttl's {name} in quiver", library[name], exported)
        shown = json.loads(quiver.run("library", "show", target, name))
        comparisons.equal(f"mttl's {name}: tasks", ",".join(shown["tasks"]), library[name].expert_info.expert_task_name)
        comparisons.equal(f"mttl's {name}: training", shown["training"], library[name].training_config)
        artefacts = target / name / "artefacts"
        compare_vectors(comparisons, f"mttl's {name}: Arrow", load_file(artefacts / "arrow.safetensors"), vectors[name])
        of_gates = {key.split(".selector.")[0]: value for key, value in gates[name].items()}
        compare_vectors(comparisons, f"mttl's {name}: gates", load_file(artefacts / "phatgoose.safetensors"), of_gates)
    compare_arrow(comparisons, quiver, folder, vectors)
    return library


def compare_arrow(comparisons, quiver, folder, vectors):
    """quiver's own prototypes and mttl's, which are free in sign; tied experts have other ones by intent."""
    copied = folder / "computed"
    quiver.run("library", "clone", folder / "imported", copied)
    quiver.run("prototypes", "arrow", copied, "--recompute")
    for name in ("plain", "other_rank"):
        ours = load_file(copied / name / "artefacts" / "arrow.safetensors")
        cosines = [abs(torch.dot(ours[module], torch.as_tensor(vectors[name][module]))).item() for module in ours]
        comparisons.within(f"Arrow's prototypes of {name}, 1 - |cosine|", 1 - min(cosines), 1e-5)


def to_mttl(comparisons, quiver, folder):
    source = folder / "imported"
    quiver.run("library", "import", BASE.parent / "tiny_llama_expert", source, "--name", "from_peft")
    quiver.run("library", "export", source, folder / "exported", "--format", "mttl")
    library = ExpertLibrary.get_expert_library(f"local://{folder / 'exported'}")
    comparisons.equal("experts of quiver in mttl", list(library.keys()), sorted([*EXPERTS, "from_peft"]))
    for name, expert in library.items():
        exported = folder / "to_mttl" / name
        quiver.run("library", "export", source, name, exported)
        compare_expert(comparisons, f"quiver's {name} in mttl", expert, exported)
        shown = json.loads(quiver.run("library", "show", source, name))
        comparisons.equal(f"quiver's {name}: tasks", expert.expert_info.expert_task_name or "", ",".join(shown["tasks"]))
        comparisons.equal(f"quiver's {name}: kind", expert.expert_info.modifier_name, "lora")
        comparisons.equal(f"quiver's {name}: base", expert.expert_info.model, shown["base_model"])
        comparisons.equal(f"quiver's {name}: training", expert.training_config, shown["training"])
    quiver.run("library", "export", source, "plain", folder / "exported_one", "--format", "mttl")
    one = ExpertLibrary.get_expert_library(f"local://{folder / 'exported_one'}")
    comparisons.equal("one expert of quiver in mttl", list(one.keys()), ["plain"])
    return library


def models(comparisons, quiver, folder):
    """Routed models as mttl saves them: experts that quiver wrote without a router, mttl's own with Arrow."""
    compare_model(comparisons, quiver, folder, f"local://{folder / 'exported'}", ["from_peft", "plain"], None)
    own = f"local://{folder / 'mttl'}"
    names = ["other_rank", "plain"]
    target = compare_model(comparisons, quiver, folder, own, names, ArrowSelectorConfig(library_id=own))
    for name in names:
        arrow = load_file(target / name / "artefacts" / "arrow.safetensors")
        vectors = load_file(folder / "imported" / name / "artefacts" / "arrow.safetensors")
        compare_vectors(comparisons, f"{name} in mttl's Arrow model: prototypes", arrow, vectors)


def compare_model(comparisons, quiver, folder, library_id, names, selector):
    kind = "routed model" if selector is None else "Arrow model"
    library = ExpertLibrary.get_expert_library(library_id, selection=names)
    config = MultiExpertModelConfig(base_model=str(BASE), selector_config=selector)
    model = MultiExpertModel(config, device_map="cpu", precision="32")
    model.add_experts_from_library(library)
    saved, target = folder / kind.replace(" ", "_"), folder / f"from_{kind.replace(' ', '_')}"
    model.save_pretrained(str(saved))
    quiver.run("library", "import", saved, target)
    for name in names:
        exported = folder / "again" / kind / name
        quiver.run("library", "export", target, name, exported)
        compare_expert(comparisons, f"{name} in mttl's {kind}", library[name], exported)
    return target


def main():
    options = arguments(__doc__.splitlines()[0])
    quiver = Quiver(options.quiver)
    comparisons = Comparisons()
    from_mttl(comparisons, quiver, options.folder)
    to_mttl(comparisons, quiver, options.folder)
    models(comparisons, quiver, options.folder)
    comparisons.finish()


if __name__ == "__main__":
    main()

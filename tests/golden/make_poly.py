"""A routed model of mttl with a poly_router, and logits of tiny_llama routed by it.

Reference: the formulas of mttl 1.0.2 in plain torch 2.15.0 over transformers 5.23.0: PolySelector._get_weights, w =
sigmoid(Z[task]) / (sum + 1e-8), one Z (tasks + 1, E) for each adapted layer, the last row for tasks that it does not know; the
weights applied to A and to B. The folder is laid out as mttl's MultiExpertModel saves it.

Needs make_tiny_models.py and make_routed_logits.py. Writes mttl_model_poly/, poly.json and poly.safetensors.
"""

import json
import shutil

import torch
from safetensors.torch import load_file

from golden_files import DIRECTORY, Random, max_difference, write_json, write_tensors
from make_mttl_library import lora_config, meta, modules, tensors
from make_routed_logits import base_model
from routed_linear import RoutedLinear, replace_module

MEMBERS = {"expert_0": (4, 16), "expert_3": (4, 6)}
TASKS = ["sums", "colours"]


def weights(z, task):
    """(E) of one layer's Z."""
    row = TASKS.index(task) if task in TASKS else len(TASKS)
    gates = torch.sigmoid(z[row])
    return gates / (gates.sum() + 1e-8)


@torch.no_grad()
def routed_logits(experts, logits, task, how, ids):
    model = base_model()
    for path in modules(experts, "expert_0"):
        triples = [
            (experts[f"{name}/{path}.a"], experts[f"{name}/{path}.b"], alpha / rank)
            for name, (rank, alpha) in MEMBERS.items()
        ]
        own = weights(logits[path], task)
        replace_module(model, path, RoutedLinear(model.get_submodule(path), triples, lambda x, own=own: own, how))
    return model(torch.tensor([ids])).logits[0]


def save_model(directory, experts, logits):
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    config = {
        "base_model": "tiny_llama",
        "class_name": "mttl.models.expert_model.MultiExpertModelConfig",
        "default_expert_name": None,
        "expert_infos": [
            meta(name, None, lora_config(rank, alpha), training_config=None) for name, (rank, alpha) in MEMBERS.items()
        ],
        "selector_config": {
            "class_name": "mttl.models.containers.selectors.poly_selector.PolySelectorConfig",
            "n_splits": 1,
            "task_names": TASKS,
        },
    }
    (directory / "mttl_config.json").write_text(json.dumps(config))
    state = {}
    for member in MEMBERS:
        for name, value in tensors(experts, member).items():
            module, factor = name.rsplit(".", 1)
            state[f"model.{module}.experts.{member}.{factor}"] = value
    state |= {f"model.{path}.selector.module_logits": z for path, z in logits.items()}
    torch.save(state, directory / "mttl_weights.bin")


def main():
    random = Random(37)
    experts = load_file(DIRECTORY / "routed_experts.safetensors")
    ids = random.ids(12, 1, 320)
    logits = {path: random.normal((len(TASKS) + 1, len(MEMBERS)), 2.0) for path in modules(experts, "expert_0")}
    for z in logits.values():
        z[-1] = 0  # as mttl begins, and leaves it
    values = {f"z/{path}": z for path, z in logits.items()}
    for task in [*TASKS, "unheard of"]:
        for how in ["parameter", "output"]:
            values[f"{task}/{how}"] = routed_logits(experts, logits, task, how, ids)
    different = [value for name, value in values.items() if name[0] != "z"]
    assert min(max_difference(a, b) for i, a in enumerate(different) for b in different[:i]) > 0.05
    save_model(DIRECTORY / "mttl_model_poly", experts, logits)
    write_tensors("poly.safetensors", values)
    write_json("poly.json", {"ids": ids, "tasks": TASKS})


if __name__ == "__main__":
    main()

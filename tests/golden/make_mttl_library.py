#!/usr/bin/env python3
"""Golden files for importing expert libraries of microsoft/mttl, in the layout of its version 1.0.2.

Reference: torch 2.15.0, numpy 2.4. mttl itself needs other packages: tests/parity/check_mttl.py lets it write and read
such files.
Needs make_routed_logits.py, whose experts are stored here. Writes:

mttl_library/   expert_0 with Arrow's vectors, PhatGOOSE's gates (under the name later versions use) and an embedding; expert_1 as older versions wrote it
                (`__model_modifier__`, no expert_model, tensor names with the wrapper's `model.`); tied, expert_2 with one
                A a block; deleted, which is hidden; broken, which is no pickle; skilled, another kind of adapter
mttl_model/     expert_0 and expert_3 as a routed model with Arrow's prototypes, tensors named as after version 1.0;
                mttl_model_1_0/ the same named as in 1.0.2
"""

import json
import shutil

import torch
from safetensors.torch import load_file

from golden_files import DIRECTORY

HASH = "a8327e21d374166ceeb94c40d2e7676f"
GATES_HASH = "dab0c51c605d7a2d64960c9edfe59f1d"
TIE = "q_proj.*\\.lora_a|k_proj.*\\.lora_a|v_proj.*\\.lora_a"


def modules(experts, expert):
    return sorted({name.split("/")[1].rsplit(".", 1)[0] for name in experts if name.startswith(expert + "/")})


def tensors(experts, expert):
    stored = {}
    for module in modules(experts, expert):
        stored[f"{module}.lora_a"] = experts[f"{expert}/{module}.a"].t().contiguous()
        stored[f"{module}.lora_b"] = experts[f"{expert}/{module}.b"].t().contiguous()
    return stored


def lora_config(rank, alpha, **changes):
    config = {
        "modify_modules": ".*self_attn",
        "class_name": "mttl.models.modifiers.lora.LoRAConfig",
        "modify_layers": "q_proj|k_proj|v_proj",
        "tie_params": None,
        "lora_rank": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "lora_init_b_random": False,
    }
    return config | changes


def meta(name, tasks, config, **changes):
    entry = {
        "expert_name": name,
        "class_name": "mttl.models.library.expert_library.MetadataEntry",
        "expert_task_name": tasks,
        "parent_node": None,
        "expert_config": config,
        "training_config": {
            "class_name": "mttl.arguments.ExpertConfig",
            "model": "tiny_llama",
            "dataset": "some/tasks",
            "learning_rate": 1e-2,
            "finetune_task_name": tasks,
        },
        "expert_model": "tiny_llama",
        "expert_deleted": False,
    }
    return entry | changes


def save_expert(directory, entry, weights):
    torch.save(weights, directory / f"{entry['expert_name']}.ckpt")
    torch.save(entry, directory / f"{entry['expert_name']}.meta")


def save_data(directory, expert, data_type, data, config):
    torch.save({"data": data, "config": config}, directory / f"{expert}.{data_type}.bin")


def make_library(directory, experts):
    save_expert(directory, meta("expert_0", "task_a,task_b", lora_config(4, 16)), tensors(experts, "expert_0"))
    paths = modules(experts, "expert_0")
    arrow = {"name": None, "ab_only": True, "scale": False, "tie_params": "default", "tie_op": "concat"}
    vectors = {path: experts[f"expert_0/{path}.prototype"].numpy() for path in paths}
    save_data(directory, "expert_0", f"arrowconfig-{HASH}_vectors", vectors, arrow)
    save_data(directory, "expert_0", f"arrowconfig-{HASH}_eigvals", {path: 1.5 for path in paths}, arrow)
    gates = {
        f"{path}.selector.expert_0.v": experts[f"expert_0/{path}.gate"].reshape(1, -1).numpy() for path in paths
    }
    gate_config = {"name": None, "n_steps": 50, "learning_rate": 1e-3, "warmup_ratio": 0.0, "batch_size": 4}
    save_data(directory, "expert_0", f"phatgoosetransformconfig-{GATES_HASH}", gates, gate_config)
    embedding = torch.arange(4.0).numpy()
    save_data(directory, "expert_0", "svdembeddingtransformconfig-9b2ba348", embedding, {"n_components": 4})

    older = {"__model_modifier__": "lora", "lora_rank": 2, "lora_alpha": 1, "modify_modules": ".*self_attn"}
    older["modify_layers"] = "q_proj|k_proj|v_proj"
    entry = meta("expert_1", "task_c", older)
    del entry["expert_model"], entry["parent_node"], entry["expert_deleted"]
    save_expert(directory, entry, {f"model.{name}": value for name, value in tensors(experts, "expert_1").items()})

    stored = tensors(experts, "expert_2")
    for name in list(stored):
        if name.endswith(("k_proj.lora_a", "v_proj.lora_a")):
            del stored[name]
    save_expert(directory, meta("tied", "task_d", lora_config(8, 8.0, tie_params=TIE)), stored)
    save_expert(directory, meta("deleted", None, lora_config(4, 16), expert_deleted=True), {})
    (directory / "broken.meta").write_bytes(b"no pickle")
    skilled = {"class_name": "mttl.models.modifiers.lora.SkilledLoRAConfig", "lora_rank": 4}
    save_expert(directory, meta("skilled", "task_e", skilled), {})


def make_model(directory, experts, tensor_name):
    members = {"expert_0": lora_config(4, 16), "expert_3": lora_config(4, 6)}
    infos = [meta(name, None, config, training_config=None) for name, config in members.items()]
    config = {
        "base_model": "tiny_llama",
        "class_name": "mttl.models.expert_model.MultiExpertModelConfig",
        "default_expert_name": None,
        "expert_infos": infos,
        "selector_config": {"class_name": "mttl.models.containers.selectors.arrow_selector.ArrowSelectorConfig"},
    }
    (directory / "mttl_config.json").write_text(json.dumps(config))
    state = {}
    for member in members:
        for name, value in tensors(experts, member).items():
            module, factor = name.rsplit(".", 1)
            state["model." + tensor_name.format(module=module, factor=factor, expert=member)] = value
    for path in modules(experts, "expert_0"):
        rows = [experts[f"{member}/{path}.prototype"] for member in members]
        state[f"model.{path}.selector.prototypes"] = torch.stack(rows)
    torch.save(state, directory / "mttl_weights.bin")


def main():
    experts = load_file(DIRECTORY / "routed_experts.safetensors")
    for name in ("mttl_library", "mttl_model", "mttl_model_1_0"):
        shutil.rmtree(DIRECTORY / name, ignore_errors=True)
        (DIRECTORY / name).mkdir()
    make_library(DIRECTORY / "mttl_library", experts)
    make_model(DIRECTORY / "mttl_model", experts, "{module}.{factor}.{expert}")
    make_model(DIRECTORY / "mttl_model_1_0", experts, "{module}.experts.{expert}.{factor}")


if __name__ == "__main__":
    main()

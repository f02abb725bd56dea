#!/usr/bin/env python3
"""A small random model of every family beside llama and gpt_neo, and what transformers computes with it.

Reference: transformers 5.23.0, torch 2.15.0, in float32 on one thread; gguf 0.19.0 writes the GGUF files. llama.cpp
           (llama-cpp-python 0.3.36) gave the prompts' logits for them within the rounding of its half-precision
           cache, but for phi3_longrope, where it chooses the factors by the size of the context.
Writes:    families/<model>/           config.json and model.safetensors; the tokenizer is that of tiny_llama
           families/<model>.gguf       the same weights where GGUF has the family
           families.json               per model: prompt, 32 tokens that follow it, and which rows are kept
           families.safetensors        per model logits (rows, 320): of the prompt ("<model>.prompt"), of the tokens
                                       that follow, each run alone on the cache ("<model>.steps"), and of all in one
                                       pass ("<model>.whole")

Prompts are longer than the sliding windows; the text grows past the length from which longrope changes.
"""

import json
import shutil

import gguf
import numpy as np
import torch
from golden_files import DIRECTORY, Random, read_json, write_json, write_tensors
from transformers import (
    AutoModelForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

VOCABULARY, POSITIONS, PROMPT, NEXT = 320, 96, 40, 32
KEPT_ROWS = [0, 5, 11, 17, 23, 31, 38, 39]
KEPT_STEPS = [0, 1, 7, 8, 9, 15, 23, 31]
SIZES = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": POSITIONS,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}


def rope(kind, **settings):
    """Small bases, so that few positions turn every pair of dimensions by a visible angle."""
    return {"rope_type": kind, "rope_theta": 60.0, **settings}


def models():
    """name -> (configuration, class, type of the file, spell the configuration as transformers 4 did)."""
    ramp = [1.0, 1.5, 2.5, 4.0]
    return {
        "gpt2": (
            GPT2Config(n_embd=16, n_layer=2, n_head=4, n_positions=POSITIONS, vocab_size=VOCABULARY,
                       bos_token_id=0, eos_token_id=0),
            GPT2LMHeadModel, torch.float32, False,
        ),
        "phi": (
            PhiConfig(**SIZES | {"hidden_size": 32}, rope_parameters=rope("default", partial_rotary_factor=0.5)),
            PhiForCausalLM, torch.float32, True,
        ),
        "phi3": (
            Phi3Config(**SIZES | {"hidden_size": 32}, sliding_window=8, rope_parameters=rope("default")),
            Phi3ForCausalLM, torch.float32, False,
        ),
        "phi3_longrope": (
            Phi3Config(
                **SIZES | {"hidden_size": 32},
                original_max_position_embeddings=48,
                rope_parameters=rope("longrope", short_factor=[1.0, 1.1, 1.2, 1.3], long_factor=ramp),
            ),
            Phi3ForCausalLM, torch.float32, True,
        ),
        "mistral": (
            MistralConfig(**SIZES, head_dim=8, sliding_window=8, rope_parameters=rope("default")),
            MistralForCausalLM, torch.float16, True,
        ),
        "llama3": (
            LlamaConfig(
                **SIZES, head_dim=8,
                rope_parameters=rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                     original_max_position_embeddings=32),
            ),
            LlamaForCausalLM, torch.float32, True,
        ),
        "llama_biased": (
            LlamaConfig(**SIZES, head_dim=8, attention_bias=True, mlp_bias=True,
                        rope_parameters=rope("linear", factor=4.0)),
            LlamaForCausalLM, torch.float32, True,
        ),
        "qwen2": (
            Qwen2Config(**SIZES, use_sliding_window=True, sliding_window=8, max_window_layers=1,
                        rope_parameters=rope("default")),
            Qwen2ForCausalLM, torch.float32, False,
        ),
        "qwen2_yarn": (
            Qwen2Config(
                **SIZES | {"hidden_size": 32}, tie_word_embeddings=True,
                rope_parameters=rope("yarn", factor=4.0, original_max_position_embeddings=24),
            ),
            Qwen2ForCausalLM, torch.float32, True,
        ),
        "qwen3": (
            Qwen3Config(**SIZES, head_dim=10, tie_word_embeddings=True, rope_parameters=rope("default")),
            Qwen3ForCausalLM, torch.bfloat16, False,
        ),
        "gemma3": (
            Gemma3TextConfig(
                **SIZES | {"num_hidden_layers": 4}, head_dim=12, query_pre_attn_scalar=9, sliding_window=8,
                layer_types=["sliding_attention", "full_attention"] * 2,
                rope_parameters={"full_attention": rope("linear", factor=2.0),
                                 "sliding_attention": {"rope_type": "default", "rope_theta": 20.0}},
            ),
            Gemma3ForCausalLM, torch.float32, False,
        ),
        "gemma3_old": (
            Gemma3TextConfig(
                **SIZES | {"num_hidden_layers": 7}, head_dim=8, query_pre_attn_scalar=8, sliding_window=8,
                rope_parameters={"full_attention": rope("default"),
                                 "sliding_attention": {"rope_type": "default", "rope_theta": 20.0}},
            ),
            Gemma3ForCausalLM, torch.float32, True,
        ),
    }  # fmt: skip


def randomise(model, seed, one_plus):
    """Weights large enough for uneven logits; norms and biases away from the 1 and 0 that would hide them."""
    random = Random(seed)
    for name, parameter in sorted(model.named_parameters()):
        if name.endswith("bias"):
            value = random.normal(parameter.shape, 0.1)
        elif parameter.dim() == 1:
            value = (0 if one_plus else 1) + random.normal(parameter.shape, 0.2)
        else:
            is_embedding = "embed" in name or "wte" in name or "lm_head" in name
            value = random.normal(parameter.shape, 0.5 if is_embedding else 0.35)
        parameter.data.copy_(value)
    return model.eval()


def spell_as_transformers_4(path):
    config = json.loads(path.read_text())
    parameters = config.pop("rope_parameters")
    if "full_attention" in parameters:
        config["rope_local_base_freq"] = parameters["sliding_attention"]["rope_theta"]
        parameters = parameters["full_attention"]
        config.pop("layer_types")  # the default: the sixth layer of every six is full
    config["rope_theta"] = parameters.pop("rope_theta")
    if parameters.get("partial_rotary_factor", 1.0) != 1.0:
        config["partial_rotary_factor"] = parameters["partial_rotary_factor"]
    parameters.pop("partial_rotary_factor", None)
    kind = parameters.pop("rope_type")
    if "original_max_position_embeddings" in config:  # Phi-3
        parameters.pop("original_max_position_embeddings", None)
    config["rope_scaling"] = None if kind == "default" else {"type": kind, **parameters}
    config["torch_dtype"] = config.pop("dtype")
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


@torch.no_grad()
def reference_values(model, prompt, following):
    output = model(torch.tensor([prompt]), use_cache=True)
    before = output.logits[0]
    steps, ids = [], list(prompt)
    rope_type = (getattr(model.config, "rope_parameters", None) or {}).get("rope_type")
    for token in following:
        ids.append(token)
        # What Phi-3's generate does when the text outgrows the length from which longrope changes.
        if rope_type == "longrope" and len(ids) == model.config.original_max_position_embeddings + 1:
            output = model(torch.tensor([ids]), use_cache=True)
        else:
            output = model(torch.tensor([[token]]), past_key_values=output.past_key_values, use_cache=True)
        steps.append(output.logits[0, -1])
    whole = model(torch.tensor([ids])).logits[0]
    values = {
        "ids": prompt,
        "following": following,
        "rows": KEPT_ROWS,
        "steps": KEPT_STEPS,
        "range": (before.max() - before.min()).item(),
    }
    return values, {"prompt": before[KEPT_ROWS], "steps": torch.stack(steps)[KEPT_STEPS], "whole": whole[KEPT_ROWS]}


def interleave(weight, heads):
    """The row order of llama's q and k in GGUF."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


class GgufModel:
    """Writes one model as GGUF, with tensor names and settings as the format's converters choose them."""

    def __init__(self, name, architecture, model):
        self.path = DIRECTORY / "families" / f"{name}.gguf"
        self.writer = gguf.GGUFWriter(self.path, architecture)
        self.model, self.architecture, self.config = model, architecture, model.config
        number = {name: number for number, name in gguf.MODEL_ARCH_NAMES.items()}[architecture]
        self.names = gguf.get_tensor_name_map(number, model.config.num_hidden_layers)

    def write(self):
        writer, config = self.writer, self.config
        writer.add_block_count(config.num_hidden_layers)
        writer.add_context_length(config.max_position_embeddings)
        writer.add_embedding_length(config.hidden_size)
        writer.add_head_count(config.num_attention_heads)
        if self.architecture == "gpt2":
            writer.add_feed_forward_length(4 * config.hidden_size)
            writer.add_layer_norm_eps(config.layer_norm_epsilon)
        else:
            self.write_settings()
        for name, tensor in self.model.state_dict().items():
            if name == "lm_head.weight" and config.tie_word_embeddings:
                continue
            values = tensor.float().numpy()
            if self.architecture == "llama" and ("q_proj" in name or "k_proj" in name):
                heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
                values = interleave(values, heads)
            if self.architecture == "gemma3" and name.endswith("norm.weight"):
                values = values + 1
            if self.architecture == "gpt2" and values.ndim == 2 and "wte" not in name and "wpe" not in name:
                values = np.ascontiguousarray(values.T)
            path, _, kind = name.rpartition(".")
            writer.add_tensor(f"{self.names.get_name(path)}.{kind}", np.ascontiguousarray(values))
        self.write_tokenizer()
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    def write_settings(self):
        writer, config = self.writer, self.config
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        rotary = config.rope_parameters.get("full_attention", config.rope_parameters)
        writer.add_feed_forward_length(config.intermediate_size)
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
        writer.add_rope_dimension_count(int(head_dim * rotary.get("partial_rotary_factor", 1.0)))
        writer.add_rope_freq_base(rotary["rope_theta"])
        if hasattr(config, "rms_norm_eps"):
            writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        else:
            writer.add_layer_norm_eps(config.layer_norm_eps)
        if self.architecture in ("gemma3", "phi3") and config.sliding_window:
            writer.add_sliding_window(config.sliding_window)
        if self.architecture == "gemma3":
            writer.add_rope_freq_base_swa(config.rope_parameters["sliding_attention"]["rope_theta"])
        if rotary["rope_type"] in ("linear", "yarn"):
            writer.add_rope_scaling_type(gguf.RopeScalingType(rotary["rope_type"]))
            writer.add_rope_scaling_factor(rotary["factor"])
            if rotary["rope_type"] == "yarn":
                writer.add_rope_scaling_orig_ctx_len(rotary["original_max_position_embeddings"])
        elif rotary["rope_type"] == "llama3":
            scaled = self.model.model.rotary_emb.inv_freq.double()
            plain = rotary["rope_theta"] ** -(torch.arange(0, head_dim, 2).double() / head_dim)
            writer.add_tensor("rope_freqs.weight", (plain / scaled).float().numpy())
        elif rotary["rope_type"] == "longrope":
            writer.add_rope_scaling_orig_ctx_len(config.original_max_position_embeddings)
            for kind in ("long", "short"):
                factors = np.array(rotary[f"{kind}_factor"], dtype=np.float32)
                writer.add_tensor(f"rope_factors_{kind}.weight", factors)

    def write_tokenizer(self):
        tokenizer = read_json("tiny_llama/tokenizer.json")["model"]
        tokens = sorted(tokenizer["vocab"], key=tokenizer["vocab"].get)
        self.writer.add_tokenizer_model("gpt2")
        self.writer.add_tokenizer_pre("gpt-2")
        self.writer.add_token_list(tokens)
        self.writer.add_token_types([3] + [1] * (len(tokens) - 1))
        self.writer.add_token_merges([" ".join(pair) for pair in tokenizer["merges"]])
        self.writer.add_eos_token_id(0)


ARCHITECTURES = {
    "gpt2": "gpt2",
    "phi": "phi2",
    "phi3_longrope": "phi3",
    "llama3": "llama",
    "llama_biased": "llama",
    "qwen2_yarn": "qwen2",
    "qwen3": "qwen3",
    "gemma3_old": "gemma3",
}


def main():
    shutil.rmtree(DIRECTORY / "families", ignore_errors=True)
    tensors, values = {}, {}
    for number, (name, (config, kind, dtype, old)) in enumerate(models().items()):
        directory = DIRECTORY / "families" / name
        model = randomise(kind(config), 100 + number, one_plus=name.startswith("gemma"))
        model.to(dtype).save_pretrained(directory)
        (directory / "generation_config.json").unlink(missing_ok=True)
        if old:
            spell_as_transformers_4(directory / "config.json")
        model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
        prompt = Random(200 + number).ids(PROMPT, 1, VOCABULARY)
        values[name], logits = reference_values(model, prompt, Random(300 + number).ids(NEXT, 1, VOCABULARY))
        tensors |= {f"{name}.{part}": rows for part, rows in logits.items()}
        if name in ARCHITECTURES:
            GgufModel(name, ARCHITECTURES[name], model).write()
        print(name, values[name]["range"])
    write_tensors("families.safetensors", tensors)
    write_json("families.json", values)


if __name__ == "__main__":
    main()

"""Tiny random models of the two families, their logits and their greedy continuations.

Reference: transformers 5.23.0 (LlamaForCausalLM, GPTNeoForCausalLM), torch 2.15.0, tokenizers 0.23.3.

Writes the Hugging Face directories tiny_llama, tiny_llama_untied, tiny_llama_sharded, tiny_gpt_neo, and
tiny_models.json + tiny_models.safetensors.
"""

import copy
import json
import shutil

import tokenizers
import torch
from transformers import AutoModelForCausalLM, GPTNeoConfig, GPTNeoForCausalLM, LlamaConfig, LlamaForCausalLM
from transformers import PreTrainedTokenizerFast

from golden_files import DIRECTORY, Random, max_difference, write_json, write_tensors

VOCABULARY = 320
PROMPT_LENGTH = 24  # longer than the local window of the GPT-Neo, 8
NEW_TOKENS = 12

TRAINING_TEXT = """\
A quiver holds many arrows, and each arrow was made for one kind of target. The archer does not carry one arrow that
must do everything: she looks at the target, reaches over her shoulder, and takes the arrow that fits. When the wind
is strong she takes a heavy arrow; when the target is far she takes a light one.
Question: Which arrow flies the farthest? Answer: the light arrow.
Question: Which arrow holds its line in the wind? Answer: the heavy arrow.
In the morning there were 12 arrows in the quiver, in the evening there were 7; the other 5 stood in the target.
"Where are they?" asked the boy. "They are where I sent them," said the archer, "and tomorrow we'll go and get them."
"""


def make_tokenizer():
    """Byte-level BPE: <|endoftext|> is 0, then the 256 bytes, then 63 merges."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TRAINING_TEXT], trainer)
    assert tokenizer.get_vocab_size() == VOCABULARY
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|endoftext|>", eos_token="<|endoftext|>", unk_token="<|endoftext|>"
    )


def llama_config(tied):
    return LlamaConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=64,
        vocab_size=VOCABULARY,
        max_position_embeddings=128,
        # Small bases, so that 24 positions turn every pair of dimensions by a visible angle.
        rope_parameters={"rope_type": "default", "rope_theta": 100.0 if tied else 50.0},
        rms_norm_eps=1e-5,
        tie_word_embeddings=tied,
        bos_token_id=0,
        eos_token_id=0,
    )


def gpt_neo_config():
    return GPTNeoConfig(
        hidden_size=32,
        num_layers=4,
        attention_types=[[["global", "local"], 2]],
        window_size=8,
        num_heads=4,
        vocab_size=VOCABULARY,
        max_position_embeddings=64,
        bos_token_id=0,
        eos_token_id=0,
    )


def randomise(model, seed):
    """Weights large enough for uneven logits; norms and biases away from the 1 and 0 that would hide them."""
    random = Random(seed)
    for name, parameter in sorted(model.named_parameters()):
        if name.endswith("bias"):
            value = random.normal(parameter.shape, 0.1)
        elif parameter.dim() == 1:
            value = 1 + random.normal(parameter.shape, 0.1)
        else:
            is_embedding = "embed" in name or "wte" in name or "lm_head" in name
            value = random.normal(parameter.shape, 0.4 if is_embedding else 0.2)
        parameter.data.copy_(value)
    return model.eval()


def save(model, name, tokenizer, **options):
    directory = DIRECTORY / name
    shutil.rmtree(directory, ignore_errors=True)
    model.save_pretrained(directory, **options)
    tokenizer.save_pretrained(directory)
    (directory / "generation_config.json").unlink(missing_ok=True)


def write_config_of_transformers_4(name):
    """The spelling of most checkpoints on the hub: rope_theta at the top level, torch_dtype, no head_dim."""
    path = DIRECTORY / name / "config.json"
    config = json.loads(path.read_text())
    config["rope_theta"] = config.pop("rope_parameters")["rope_theta"]
    config["rope_scaling"] = None
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.47.0"
    config.pop("head_dim", None)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


@torch.no_grad()
def reference_values(name, ids):
    """Logits (24, 320) of the model read back from disk, and NEW_TOKENS greedy tokens with the cache."""
    model = AutoModelForCausalLM.from_pretrained(DIRECTORY / name, dtype=torch.float32).eval()
    prompt = torch.tensor([ids])
    logits = model(prompt).logits[0]
    in_float64 = copy.deepcopy(model).double()(prompt).logits[0]
    # No stop token: the continuation always has its full length.
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    output = model.generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=NEW_TOKENS, do_sample=False, use_cache=True
    )[0].tolist()
    assert len(output) == len(ids) + NEW_TOKENS
    # The same choice without the cache, and how far the runner-up is behind: below 1e-3 the test would be a coin toss.
    whole = model(torch.tensor([output])).logits[0, len(ids) - 1 : -1]
    best = whole.topk(2).values
    assert whole.argmax(-1).tolist() == output[len(ids) :]
    assert len(set(output[len(ids) :])) >= NEW_TOKENS // 2, "a continuation that repeats itself proves little"
    smallest_margin = (best[:, 0] - best[:, 1]).min().item()
    assert smallest_margin > 1e-3, smallest_margin
    return logits, {
        "ids": ids,
        "greedy_ids": output[len(ids) :],
        "greedy_smallest_margin": smallest_margin,
        "logits_std": logits.std().item(),
        "float64_max_difference": max_difference(logits, in_float64),
    }


def main():
    tokenizer = make_tokenizer()
    tied = randomise(LlamaForCausalLM(llama_config(tied=True)), seed=22)
    untied = randomise(LlamaForCausalLM(llama_config(tied=False)), seed=2)
    gpt_neo = randomise(GPTNeoForCausalLM(gpt_neo_config()), seed=3)
    save(tied, "tiny_llama", tokenizer)
    save(tied, "tiny_llama_sharded", tokenizer, max_shard_size="48KB")
    save(untied, "tiny_llama_untied", tokenizer)
    save(gpt_neo, "tiny_gpt_neo", tokenizer)
    write_config_of_transformers_4("tiny_llama_untied")

    ids = Random(4).ids(PROMPT_LENGTH, 1, VOCABULARY)
    tensors, values = {}, {}
    for name in ["tiny_llama", "tiny_llama_sharded", "tiny_llama_untied", "tiny_gpt_neo"]:
        tensors[f"{name}.logits"], values[name] = reference_values(name, ids)
        print(name, values[name])
    assert torch.equal(tensors["tiny_llama.logits"], tensors.pop("tiny_llama_sharded.logits"))
    values["tiny_llama_sharded"]["logits_of"] = "tiny_llama"
    text = "The archer's 12 arrows\n flew \u2014 far!<|endoftext|>"
    values["tokenizer"] = {"text": text, "ids": tokenizer(text)["input_ids"]}
    write_tensors("tiny_models.safetensors", tensors)
    write_json("tiny_models.json", values)


if __name__ == "__main__":
    main()

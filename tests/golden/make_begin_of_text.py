"""begin_of_text.json: what transformers and lm-evaluation-harness read before a text, with tiny_llama's weights.

Reference: transformers 5.23.0 (tokenizer(text), greedy generate), lm-evaluation-harness 0.4.13 (HFLM.loglikelihood,
generate_until). The tokenizer is tiny_llama's with its last merge taken out for "<s>", which is begin-of-text and not
end-of-text; `tokenizer` is the file but for its post-processor, of which each case has another.

begin_of_text.gguf is the same model and vocabulary with add_bos_token, for the values of the case "template".

`scores`: transformers, the completion's tokens of tokenizer(prompt + completion), no text being cut.
`choices`: the harness, continuations after a prompt, some empty. `texts`: what it writes after a prompt.
"""

import copy
import json
import pathlib
import shutil
import tempfile

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from transformers import AutoModelForCausalLM, AutoTokenizer

from golden_files import DIRECTORY, write_json
from make_families import GgufModel

NEW_TOKENS = 12
TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
    "special_tokens": {"<s>": {"id": "<s>", "ids": [319], "tokens": ["<s>"]}},
}
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}
CASES = {
    "template": TEMPLATE,
    "llama3_sequence": {"type": "Sequence", "processors": [BYTE_LEVEL, TEMPLATE]},
    "byte_level": BYTE_LEVEL,
    "none": None,
}
SCORES = [("The archer takes", " the light arrow"), ("Question: Which", " arrow?"), ("<s>The archer", " sees"),
          ("A quiver", "\n and"), ("wind", "s")]
CHOICES = [("The archer takes", [" the light arrow.", " a heavy one"]), ("", ["The arrow flies.", "The arrows flies."]),
           ("Question: ", ["which", "where"]), ("<s>In the morning", [" there were 12", " we go"]), ("  ", ["so", "to"]),
           ("", ["<s>They are", "<|endoftext|>They are"])]
PROMPTS = ["The archer takes", "Question: Which arrow", "<s>In the morning"]


def tokenizer_json():
    tokenizer = json.loads((DIRECTORY / "tiny_llama/tokenizer.json").read_text())
    model = tokenizer["model"]
    last = max(model["vocab"], key=model["vocab"].get)
    assert model["vocab"].pop(last) == 319 and "".join(model["merges"].pop()) == last
    added = copy.deepcopy(tokenizer["added_tokens"][0])
    tokenizer["added_tokens"].append({**added, "id": 319, "content": "<s>"})
    del tokenizer["post_processor"]
    return tokenizer


class GgufWithBos(GgufModel):
    def __init__(self, model, tokenizer):
        super().__init__("../begin_of_text", "llama", model)
        self.tokenizer = tokenizer

    def write_tokenizer(self):
        model = self.tokenizer["model"]
        tokens = sorted(model["vocab"], key=model["vocab"].get) + ["<s>"]
        self.writer.add_tokenizer_model("gpt2")
        self.writer.add_tokenizer_pre("gpt-2")
        self.writer.add_token_list(tokens)
        self.writer.add_token_types([3] + [1] * (len(tokens) - 2) + [3])
        self.writer.add_token_merges([" ".join(pair) for pair in model["merges"]])
        self.writer.add_bos_token_id(319)
        self.writer.add_eos_token_id(0)
        self.writer.add_add_bos_token(True)


def scores_of(model, tokenizer):
    scores = []
    for prompt, completion in SCORES:
        # Transformers would put a second "<s>" before a text that has one; the harness does not.
        encoded = tokenizer(prompt + completion, return_offsets_mapping=True, return_tensors="pt",
                            add_special_tokens=not prompt.startswith("<s>"))
        ids, offsets = encoded["input_ids"][0], encoded["offset_mapping"][0]
        mine = [i for i in range(1, len(ids)) if offsets[i][1] > len(prompt)]
        logits = model(ids[None]).logits[0].log_softmax(-1)
        scores.append({"prompt": prompt, "completion": completion, "tokens": len(mine),
                       "logprob": sum(logits[i - 1, ids[i]].item() for i in mine)})
    return scores


def request(kind, arguments, index):
    return Instance(request_type=kind, doc={}, arguments=arguments, idx=index, metadata=("x", index, 1))


def choices_of(harness, prompt, continuations):
    requests = [request("loglikelihood", (prompt, text), i) for i, text in enumerate(continuations)]
    return [value for value, _ in harness.loglikelihood(requests, disable_tqdm=True)]


def text_of(harness, prompt):
    options = {"until": ["\n\n\n"], "max_gen_toks": NEW_TOKENS, "do_sample": False}
    return harness.generate_until([request("generate_until", (prompt, options), 0)], disable_tqdm=True)[0]


def case_of(folder, config, tokenizer, post_processor):
    (folder / "tokenizer.json").write_text(json.dumps({**tokenizer, "post_processor": post_processor}))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    harness = HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=1, max_length=128)
    choices = []
    for prompt, continuations in CHOICES:
        if not prompt.strip() and prompt and post_processor in (None, BYTE_LEVEL):
            continue  # the harness stops there: a context of white space without begin-of-text is none
        choices.append({"prompt": prompt, "continuations": continuations,
                        "logprobs": choices_of(harness, prompt, continuations)})
    with torch.no_grad():
        return {"post_processor": post_processor,
                "ids": AutoTokenizer.from_pretrained(folder)("The archer")["input_ids"],
                "scores": scores_of(model, AutoTokenizer.from_pretrained(folder)), "choices": choices,
                "texts": [{"prompt": prompt, "text": text_of(harness, prompt)} for prompt in PROMPTS]}


def main():
    config = {"bos_token": "<s>", "eos_token": "<|endoftext|>", "tokenizer_class": "PreTrainedTokenizerFast"}
    tokenizer = tokenizer_json()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for file in ("config.json", "model.safetensors"):
            shutil.copy(DIRECTORY / "tiny_llama" / file, folder)
        GgufWithBos(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), tokenizer).write()
        cases = {key: case_of(folder, config, tokenizer, value) for key, value in CASES.items()}
    write_json("begin_of_text.json", {"new_tokens": NEW_TOKENS, "tokenizer_config": json.dumps(config),
                                      "tokenizer": json.dumps(tokenizer), "cases": cases})


if __name__ == "__main__":
    main()

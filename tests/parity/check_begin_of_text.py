#!/usr/bin/env python3
"""What stands before a text: `quiver tokenize`, `score`, `generate` and `eval` against transformers and lm-evaluation-harness.

Two bases of one model (tests/golden/begin_of_text.*, tiny_llama's weights) whose begin-of-text is not end-of-text: a
Hugging Face folder with a Llama-3-style post-processor, and a GGUF file with add_bos_token, which the peers read
themselves. Compared are ids, log-probabilities (relative difference), greedy texts, and every question of
evaluation_data.py, some with empty contexts.

    FOLDER/bin/python tests/parity/check_begin_of_text.py --quiver build/quiver NEW_FOLDER
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import types

import check_lm_eval  # sets the offline mode
import evaluation_data
import harness
import torch
from check_lm_eval import CHOICE_TASKS, LIMIT, ROOT
from lm_eval.models.huggingface import HFLM

POSITIONS = 128
NEW_TOKENS = 12
TEXTS = ["The archer takes", "Question: Which arrow?", "<s>In the morning there were 12", " the light arrow", "naïve café 🙂"]
COMPLETIONS = [" the light arrow.", " a heavy one\n", "s"]


def folder_base(folder):
    golden = json.loads((ROOT / "tests/golden/begin_of_text.json").read_text())
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        shutil.copy(ROOT / "tests/golden/tiny_llama" / name, folder)
    post_processor = golden["cases"]["llama3_sequence"]["post_processor"]
    tokenizer = {**json.loads(golden["tokenizer"]), "post_processor": post_processor}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text(golden["tokenizer_config"])
    return HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=1, max_length=POSITIONS)


def gguf_base(folder):
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "tests/golden/begin_of_text.gguf", folder / "model.gguf")
    return HFLM(pretrained=str(folder), gguf_file="model.gguf", device="cpu", dtype="float32", batch_size=1,
                max_length=POSITIONS)


def quiver(options, *arguments, rows=None):
    """The JSON lines that a command answers to ROWS."""
    inputs = options.folder / "input.jsonl"
    if rows is not None:
        inputs.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = [options.quiver, *arguments, "--input", inputs, "--quiet"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


class Check:
    def __init__(self):
        self.failed = 0

    def tell(self, what, differences):
        bad = [difference for difference in differences if difference > LIMIT]
        self.failed += bool(bad)
        print(f"{'FAILED' if bad else 'ok    '} {what}: {len(differences)} compared, within {max(differences):.1e}", flush=True)


def logprob(model, tokenizer, prompt, completion):
    encoded = tokenizer(prompt + completion, return_offsets_mapping=True, return_tensors="pt")
    ids, offsets = encoded["input_ids"][0], encoded["offset_mapping"][0]
    with torch.no_grad():
        logits = model(ids[None]).logits[0].log_softmax(-1)
    return sum(logits[i - 1, ids[i]].item() for i in range(1, len(ids)) if offsets[i][1] > len(prompt))


def check_base(options, report, name, peer, base):
    model, tokenizer = peer.model, peer.tokenizer
    check = Check()
    ours = quiver(options, "tokenize", base, "--bos", "auto", rows=[{"text": text} for text in TEXTS])
    # transformers puts begin-of-text before a text that spells it out, too; the harness and Quiver do not.
    wanted = [tokenizer(text, add_special_tokens=not text.startswith("<s>"))["input_ids"] for text in TEXTS]
    check.tell(f"{name}, ids", [float(a != b) for a, b in zip(ours, wanted)])
    pairs = [{"prompt": text, "completion": completion} for text in TEXTS if not text.startswith("<s>") for completion in COMPLETIONS]
    wanted = [logprob(model, tokenizer, pair["prompt"], pair["completion"]) for pair in pairs]
    ours = quiver(options, "score", base, rows=pairs)
    check.tell(f"{name}, score", [abs(a["logprob"] - b) / abs(b) for a, b in zip(ours, wanted)])
    ours = quiver(options, "generate", base, "--max-new-tokens", NEW_TOKENS, rows=[{"prompt": text} for text in TEXTS])
    requests = [types.SimpleNamespace(args=(text, {"until": ["\n\n\n"], "max_gen_toks": NEW_TOKENS, "do_sample": False}))
                for text in TEXTS]
    wanted = [peer.generate_until([request], disable_tqdm=True)[0] for request in requests]
    check.tell(f"{name}, generate", [float(a["completion"] != b) for a, b in zip(ours, wanted)])
    report.failed += check.failed

    data = options.folder / "data"
    options.model = base
    peers = harness.evaluate(peer, data, CHOICE_TASKS)
    ours, results = check_lm_eval.run_quiver(options, CHOICE_TASKS, data)
    for task in CHOICE_TASKS:
        check_lm_eval.compare_choices(report, f"{name}, {task}", ours[task], peers[task], results, task)


def check_empty_contexts(options, report, name, peer, base):
    sentences = [["The arrow flies.", "The arrows flies."], ["<s>They are", "<|endoftext|>They are"]]
    task = {"name": "pairs", "split": "test", "prompt": "", "delimiter": "", "choices": ["{good}", "{bad}"], "gold": "gold",
            "metrics": ["acc"], "main_metric": "acc"}
    (options.folder / "pairs.json").write_text(json.dumps(task))
    rows = options.folder / "pairs.jsonl"
    rows.write_text("".join(json.dumps({"good": good, "bad": bad, "gold": 0}) + "\n" for good, bad in sentences))
    options.model = base
    ours, _ = check_lm_eval.run_quiver(options, [str(options.folder / "pairs.json")], rows)
    differences = []
    for sample, texts in zip(ours["pairs"], sentences):
        requests = [types.SimpleNamespace(args=("", text)) for text in texts]
        wanted = [value for value, _ in peer.loglikelihood(requests, disable_tqdm=True)]
        differences += [abs(a - b) / abs(b) for a, b in zip(sample["logprobs"], wanted)]
    check = Check()
    check.tell(f"{name}, empty contexts", differences)
    report.failed += check.failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quiver", type=pathlib.Path, default=ROOT / "build/quiver")
    parser.add_argument("--count", type=int, default=20, help="questions a task")
    parser.add_argument("folder", type=pathlib.Path, help="new or empty; everything is written here")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    evaluation_data.write_all(options.folder / "data", options.count)
    report = check_lm_eval.Report()
    for name, make, file in (("post-processor", folder_base, ""), ("gguf", gguf_base, "model.gguf")):
        peer = make(options.folder / name)
        base = options.folder / name / file
        check_base(options, report, name, peer, base)
        check_empty_contexts(options, report, name, peer, base)
    raise SystemExit(1 if report.failed else 0)


if __name__ == "__main__":
    main()

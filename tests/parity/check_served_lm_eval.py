#!/usr/bin/env python3
"""lm-evaluation-harness' `local-completions` on `quiver serve`, question by question beside `quiver eval`.

    check_served_lm_eval.py --quiver build/quiver NEW_FOLDER      (packages: requirements_peers.txt)
    check_served_lm_eval.py --arc ARC-Easy-Test.jsonl NEW_FOLDER    and real questions, on SmolLM2-135M in 4 bits
"""

import argparse
import json
import pathlib
import shutil
import time
import urllib.request

from lm_eval.models.openai_completions import LocalCompletionsAPI
from transformers import AutoTokenizer

import check_lm_eval
import evaluation_data
from quiver_program import BASE, ROOT, Quiver


def harness_model(address, tokenizer):
    """The harness' client. What its tokenizer gives is sent as ids."""
    models = json.loads(urllib.request.urlopen(address + "/v1/models").read())["data"]
    return LocalCompletionsAPI(model="base", base_url=address + "/v1/completions", tokenizer=str(tokenizer),
                               tokenizer_backend="huggingface", max_length=models[0]["max_model_len"], num_concurrent=8)


def long_model(folder, copy):
    """The model with room for every question: the harness keeps one position for a new token, and would cut earlier."""
    shutil.copytree(folder, copy)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 2048}))
    return copy


def check_made_up(options, report):
    options.model = long_model(options.model, options.folder / "model")
    with Quiver(options.quiver).serve(options.model) as address:
        data = options.folder / "data"
        evaluation_data.write_all(data, options.count)
        peers = check_lm_eval.harness.evaluate(harness_model(address, options.model), data, check_lm_eval.CHOICE_TASKS)
    ours, results = check_lm_eval.run_quiver(options, check_lm_eval.CHOICE_TASKS, data)
    for task in check_lm_eval.CHOICE_TASKS:
        check_lm_eval.compare_choices(report, task, ours[task], peers[task], results, task)


def check_real(options, report):
    """SmolLM2's own file for the server and for `quiver eval`; the harness reads the tokenizer in it."""
    gguf = pathlib.Path(Quiver(options.quiver).run("fetch", "smollm2-135m").strip().splitlines()[-1])
    tokenizer = options.folder / "tokenizer"
    AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name).save_pretrained(tokenizer)
    options.model = gguf
    with Quiver(options.quiver).serve(gguf) as address:
        start = time.monotonic()
        check_lm_eval.check_arc(options, harness_model(address, tokenizer), report)
        print(f"      {time.monotonic() - start:.0f} s for harness and `quiver eval` one after the other", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quiver", type=pathlib.Path, default=ROOT / "build/quiver")
    parser.add_argument("--model", type=pathlib.Path, default=BASE, help="Hugging Face folder (default: tiny_llama)")
    parser.add_argument("--count", type=int, default=30, help="questions a task")
    parser.add_argument("--arc", type=pathlib.Path, help="ARC-Easy-Test.jsonl: real questions, too")
    parser.add_argument("--arc-limit", type=int, default=200)
    parser.add_argument("folder", type=pathlib.Path, help="new or empty; everything is written here")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    report = check_lm_eval.Report()
    check_made_up(options, report)
    if options.arc:
        check_real(options, report)
    raise SystemExit(1 if report.failed else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""lm-evaluation-harness' `local-completions` on `quiver serve`, question by question beside `quiver eval`.

    check_served_lm_eval.py --quiver build/quiver NEW_FOLDER      (packages: requirements_peers.txt)
    check_served_lm_eval.py --model HF_FOLDER --arc ARC-Easy-Test.jsonl --arc-limit 200 NEW_FOLDER
"""

import argparse
import json
import pathlib

from lm_eval.models.openai_completions import LocalCompletionsAPI

import check_lm_eval
import evaluation_data
from quiver_program import BASE, ROOT, Quiver


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quiver", type=pathlib.Path, default=ROOT / "build/quiver")
    parser.add_argument("--model", type=pathlib.Path, default=BASE, help="Hugging Face folder (default: tiny_llama)")
    parser.add_argument("--count", type=int, default=30, help="questions a task")
    parser.add_argument("--arc", type=pathlib.Path, help="ARC-Easy-Test.jsonl, instead of what is made up")
    parser.add_argument("--arc-limit", type=int, default=200)
    parser.add_argument("folder", type=pathlib.Path, help="new or empty; everything is written here")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    positions = json.loads((options.model / "config.json").read_text())["max_position_embeddings"]
    report = check_lm_eval.Report()
    with Quiver(options.quiver).serve(options.model) as address:
        model = LocalCompletionsAPI(model="base", base_url=address + "/v1/completions", tokenizer=str(options.model),
                                    tokenizer_backend="huggingface", max_length=positions, num_concurrent=8)
        if options.arc:
            check_lm_eval.check_arc(options, model, report)
        else:
            data = options.folder / "data"
            evaluation_data.write_all(data, options.count)
            peers = check_lm_eval.harness.evaluate(model, data, check_lm_eval.CHOICE_TASKS)
            ours, results = check_lm_eval.run_quiver(options, check_lm_eval.CHOICE_TASKS, data)
            for task in check_lm_eval.CHOICE_TASKS:
                check_lm_eval.compare_choices(report, task, ours[task], peers[task], results, task)
    raise SystemExit(1 if report.failed else 0)


if __name__ == "__main__":
    main()

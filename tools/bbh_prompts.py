#!/usr/bin/env python3
"""Writes what `quiver eval bbh` puts before a question, as an installed lm-evaluation-harness has it.

    bbh_prompts.py FOLDER

For every sub-folder of FOLDER that is called like a subtask of BIG-bench Hard: description.txt, and shots.jsonl with the
solved questions of the harness' group `bbh` (chain of thought, three shots).
"""

import importlib.util
import json
import pathlib
import sys

import yaml


def prompts_folder():
    return pathlib.Path(importlib.util.find_spec("lm_eval").origin).parent / "tasks/bbh/cot_fewshot"


def write_prompts(folder):
    """The names of the subtasks that were found."""
    found = []
    for path in sorted(prompts_folder().glob("[!_]*.yaml")):
        subtask = pathlib.Path(folder) / path.stem
        if not subtask.is_dir():
            continue
        task = yaml.safe_load(path.read_text(encoding="utf-8"))
        (subtask / "description.txt").write_text(task["description"], encoding="utf-8")
        shots = (json.dumps(shot, ensure_ascii=False) + "\n" for shot in task["fewshot_config"]["samples"])
        (subtask / "shots.jsonl").write_text("".join(shots), encoding="utf-8")
        found.append(path.stem)
    return found


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    print("\n".join(write_prompts(sys.argv[1])))

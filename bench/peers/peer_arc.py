"""ARC's questions through lm-evaluation-harness: HFLM.loglikelihood.

The model is the base, or PEFT's Arrow with --experts.
"""

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from transformers import AutoTokenizer

import peer
import routed


def requests_of(rows):
    requests = []
    for row in rows:
        context = "Question: " + row["question"]["stem"] + "\nAnswer:"
        for index, choice in enumerate(row["question"]["choices"]):
            texts = (context, " " + choice["text"])
            requests.append(Instance(request_type="loglikelihood", doc={}, arguments=texts, idx=index))
    return requests


def main():
    parser = peer.arguments(__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--experts", help="folder of PEFT adapters")
    parser.add_argument("--data", required=True)
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=16)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = peer.read_json_lines(options.data)[: options.limit]
    harness = HFLM(
        pretrained=routed.load(options.model, options.experts),
        tokenizer=AutoTokenizer.from_pretrained(options.model),
        device="cpu",
        batch_size=options.batch_size,
    )
    harness.loglikelihood(requests_of(rows[:4]), disable_tqdm=True)  # warm-up
    peer.start_peak_memory()
    seconds, answers = peer.seconds_of(lambda: harness.loglikelihood(requests_of(rows), disable_tqdm=True))
    scores = iter(answers)
    chosen, right = {"acc": [], "acc_norm": []}, {"acc": 0, "acc_norm": 0}
    for row in rows:
        choices = row["question"]["choices"]
        gold = [choice["label"] for choice in choices].index(row["answerKey"])
        sums = [next(scores)[0] for _ in choices]
        values = {"acc": sums, "acc_norm": [s / len(choice["text"]) for s, choice in zip(sums, choices)]}
        for metric, of_choices in values.items():
            best = max(range(len(choices)), key=of_choices.__getitem__)
            chosen[metric].append(best)
            right[metric] += best == gold
    quality = {
        metric: {"value": right[metric] / len(rows), "n": len(rows), "chosen": chosen[metric]} for metric in chosen
    }
    rate = peer.measurement("questions", "questions/s", [len(rows) / seconds])
    peer.publish(options.out, options.threads, [rate], quality)


if __name__ == "__main__":
    main()

"""Prefill and greedy decoding with transformers.generate: the base model, or PEFT's Arrow with --experts.

Takes the prompts' token ids from a file of `quiver bench generate` and compares the tokens that both made. Prefill ends
with the first new token; a decoding step is the time from there to the last, shared out.
"""

import json
import pathlib
import time

import torch
from transformers import AutoTokenizer, StoppingCriteria, StoppingCriteriaList

import peer
import routed


class TokenTimes(StoppingCriteria):
    """Never stops; notes when each token was there."""

    def __init__(self):
        self.seconds = []

    def __call__(self, input_ids, scores, **kwargs):
        self.seconds.append(time.perf_counter())
        return torch.zeros(input_ids.shape[0], dtype=torch.bool)


def main():
    parser = peer.arguments(__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--experts", help="folder of PEFT adapters")
    parser.add_argument("--quiver", required=True, help="the file of `quiver bench generate`")
    parser.add_argument("--name", required=True, help="whose texts in it: base, or 'arrow, output'")
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    texts = json.loads(pathlib.Path(options.quiver).read_text())["quality"]["texts"][options.name]
    prompts, expected = [text["prompt_ids"] for text in texts], [text["ids"] for text in texts]
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = routed.load(options.model, options.experts)
    model.generation_config.eos_token_id = None  # like Quiver's benchmark: no token ends a text
    width = max(len(prompt) for prompt in prompts)
    ids = torch.zeros(len(prompts), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):  # padded on the left
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1

    def generate(tokens):
        """(prompt seconds, seconds a step, ids)"""
        times = TokenTimes()
        start = time.perf_counter()
        with torch.no_grad():
            output = model.generate(
                input_ids=ids,
                attention_mask=mask,
                do_sample=False,
                max_new_tokens=tokens,
                pad_token_id=0,
                stopping_criteria=StoppingCriteriaList([times]),
            )
        first, last = times.seconds[0], times.seconds[-1]
        return first - start, (last - first) / (tokens - 1), output[:, width:].tolist()

    new = len(expected[0])
    generate(2)  # warm-up
    peer.start_peak_memory()
    prefill, steps, made = [], [], []
    for _ in range(options.repetitions):
        first, step, made = generate(new)
        prefill.append(sum(map(len, prompts)) / first)
        steps.append(1000 * step)
    measurements = [
        peer.measurement("prefill", "real tokens/s", prefill),
        peer.measurement("decode", "ms/step", steps),
    ]
    quality = {
        "same_prompt_ids": sum(
            tokenizer(tokenizer.decode(prompt), add_special_tokens=False)["input_ids"] == prompt for prompt in prompts
        ),
        "texts": len(made),
        "equal_texts": sum(own == other for own, other in zip(made, expected)),
        "first_difference": [
            next((i for i, (a, b) in enumerate(zip(own, other)) if a != b), None) for own, other in zip(made, expected)
        ],
        "ids": made,
    }
    peer.publish(options.out, options.threads, measurements, quality)


if __name__ == "__main__":
    main()

"""One stream through llama.cpp (llama-cpp-python) on the GGUF file: the prompt, then greedy tokens.

Takes the prompt's token ids from a file of `quiver bench generate --batch-size 1`.
"""

import json
import pathlib

import numpy
from llama_cpp import Llama

import peer


def main():
    parser = peer.arguments(__doc__)
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--quiver", required=True, help="the file of `quiver bench generate`")
    parser.add_argument("--name", default="base", help="whose texts in it")
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    texts = json.loads(pathlib.Path(options.quiver).read_text())["quality"]["texts"][options.name]
    prompt, expected = texts[0]["prompt_ids"], texts[0]["ids"]
    model = Llama(
        model_path=options.gguf,
        n_ctx=2048,
        n_threads=options.threads,
        n_threads_batch=options.threads,
        verbose=False,
    )

    def generate():
        """(prompt seconds, seconds a step, ids): greedy, the largest logit."""
        model.reset()
        first, _ = peer.seconds_of(lambda: model.eval(prompt))
        ids = []

        def steps():
            for _ in range(len(expected) - 1):
                ids.append(likeliest())
                model.eval([ids[-1]])

        rest, _ = peer.seconds_of(steps)
        ids.append(likeliest())
        return first, rest / (len(expected) - 1), ids

    def likeliest():
        logits = model._ctx.get_logits_ith(-1)
        return int(numpy.ctypeslib.as_array(logits, shape=(model.n_vocab(),)).argmax())

    generate()  # warm-up
    peer.start_peak_memory()
    runs = [generate() for _ in range(options.repetitions)]
    measurements = [
        peer.measurement("prefill", "real tokens/s", [len(prompt) / first for first, _, _ in runs]),
        peer.measurement("decode", "ms/step", [1000 * step for _, step, _ in runs]),
    ]
    ids = runs[-1][2]
    same = next((i for i, (a, b) in enumerate(zip(ids, expected)) if a != b), len(ids))
    peer.publish(options.out, options.threads, measurements, {"ids": ids, "same_tokens": same, "tokens": len(ids)})


if __name__ == "__main__":
    main()

"""Compares quiver under one router with another implementation of it: routing, log-probabilities, greedy texts."""

import json

import torch

from trained_experts import rows

ROUTED_PROMPTS, TEXTS, NEW_TOKENS = 16, 100, 10
TIE = 1e-4  # weights of a first and a second choice closer than this may change places


class QuiverModel:
    """One model of the command line: the base's folder, and the options that make a router."""

    def __init__(self, quiver, folder, base, library, *options):
        self._quiver, self._folder, self._base = quiver, folder, base
        self._model = [base, "--library", library, *options]

    def weights(self, prompt, experts):
        """slot path -> (T, E)."""
        shown = json.loads(self._quiver.run("route", *self._model, "--prompt", prompt))
        result = {}
        for path, tokens in shown["slots"].items():
            dense = torch.zeros(len(tokens), len(experts))
            for token, choices in enumerate(tokens):
                for choice in choices:
                    dense[token, experts.index(choice["expert"])] = choice["weight"]
            result[path] = dense
        return result

    def score(self, pairs):
        return self._quiver.score(pairs, self._folder, *self._model)

    def generate(self, prompts):
        questions = self._folder / "prompts.jsonl"
        questions.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts))
        options = ["--input", questions, "--max-new-tokens", NEW_TOKENS]
        answers = self._quiver.run("generate", *self._model, *options).splitlines()
        return [json.loads(line)["completion"] for line in answers]


def choices_equal(ours, theirs):
    """(token-slots with the same experts chosen, all token-slots); ties aside. Both (T, E)."""
    same = (ours > 0) == (theirs > 0)
    tied = (ours - theirs).abs().amax(1) < TIE
    return int((same.all(1) | tied).sum()), len(ours)


def compare(comparisons, name, ours, theirs, experts, tokenizer):
    """THEIRS has weights(prompt) -> {path: (T, E)}, score(pairs) and generate(prompts)."""
    texts = rows("test", TEXTS)
    equal = total = 0
    largest = 0.0
    for row in texts[:ROUTED_PROMPTS]:
        left, right = ours.weights(row["source"], experts), theirs.weights(row["source"])
        comparisons.equal(f"{name}: slots", sorted(left), sorted(right)) if sorted(left) != sorted(right) else None
        for path, weights in left.items():
            same, count = choices_equal(weights, right[path])
            equal, total = equal + same, total + count
            largest = max(largest, (weights - right[path]).abs().max().item())
    comparisons.within(f"{name}: share of {total} token-slots that choose otherwise", 1 - equal / total, 1e-3)
    print(f"       (largest difference of a weight: {largest:.1e})")
    pairs = [(row["source"], " " + row["target"]) for row in texts]
    lengths = [max(1, len(tokenizer(answer)["input_ids"])) for _, answer in pairs]
    differences = [
        abs(left - right) / length for left, right, length in zip(ours.score(pairs), theirs.score(pairs), lengths)
    ]
    comparisons.within(f"{name}: log-probability of a token of {len(pairs)} answers", max(differences), 1e-4)
    prompts = [row["source"] for row in texts]
    left, right = ours.generate(prompts), theirs.generate(prompts)
    unequal = [pair for pair in zip(left, right) if pair[0] != pair[1]]
    comparisons.equal(f"{name}: texts of {len(prompts)} that differ {unequal[:3]}", len(unequal), 0)


class TransformersModel:
    """Scores and greedy texts of a transformers model, one text at a time, so that nothing is padded."""

    GENERATE = {}  # what generate() needs besides

    def __init__(self, model, tokenizer):
        self.model, self.tokenizer = model.eval(), tokenizer

    def run(self, ids):
        """Logits (T, V)."""
        return self.model(input_ids=torch.tensor([ids])).logits[0]

    def ids(self, text):
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    @torch.no_grad()
    def score(self, pairs):
        result = []
        for prompt, answer in pairs:
            encoding = self.tokenizer(prompt + answer, add_special_tokens=False, return_offsets_mapping=True)
            ids = encoding["input_ids"]
            first = next(i for i, (_, end) in enumerate(encoding["offset_mapping"]) if end > len(prompt))
            log_probability = torch.log_softmax(self.run(ids).float(), dim=-1)
            result.append(sum(log_probability[t - 1, ids[t]].item() for t in range(first, len(ids))))
        return result

    @torch.no_grad()
    def generate(self, prompts):
        texts = []
        for prompt in prompts:
            ids = torch.tensor([self.ids(prompt)])
            output = self.model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=NEW_TOKENS,
                do_sample=False,
                pad_token_id=self.tokenizer.eos_token_id,
                **self.GENERATE,
            )
            texts.append(self.text(prompt, output[0].tolist(), ids.shape[1]))
        return texts

    def text(self, prompt, ids, prompt_length):
        return self.tokenizer.decode(ids[prompt_length:], skip_special_tokens=True, clean_up_tokenization_spaces=False)

"""Epochs of LoRA training with PEFT over transformers: a plain PyTorch loop, padded batches, the model's own loss.

Trains on the token ids that `quiver bench train --dump-ids` wrote, and checks that the peer's tokenizer makes the same
ids of their text.
"""

import torch
from peft import LoraConfig, get_peft_model
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer

import peer


def padded(examples):
    """(ids, labels, mask) of a batch; -100 marks what is no target."""
    width = max(len(example["ids"]) for example in examples)
    ids = torch.zeros(len(examples), width, dtype=torch.long)
    labels, mask = torch.full_like(ids, -100), torch.zeros_like(ids)
    for row, example in enumerate(examples):
        length, begin = len(example["ids"]), example["target_begin"]
        ids[row, :length] = torch.tensor(example["ids"])
        labels[row, begin:length] = ids[row, begin:length]
        mask[row, :length] = 1
    return ids, labels, mask


def batches(examples, size, generator):
    order = torch.randperm(len(examples), generator=generator).tolist()
    return [[examples[i] for i in order[begin : begin + size]] for begin in range(0, len(order), size)]


def step(model, optimiser, batch, clip_norm=None):
    ids, labels, mask = padded(batch)
    loss = model(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False).loss
    loss.backward()
    if clip_norm:
        torch.nn.utils.clip_grad_norm_(optimiser.param_groups[0]["params"], clip_norm)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return loss.item()


def mean_loss(model, examples):
    """Mean over the examples of each one's mean loss per target token."""
    total = 0.0
    with torch.no_grad():
        for example in examples:
            ids, begin = torch.tensor([example["ids"]]), example["target_begin"]
            logits = model(input_ids=ids, use_cache=False).logits[0, max(begin, 1) - 1 : -1]
            total += cross_entropy(logits, ids[0, max(begin, 1) :]).item()
    return total / len(examples)


def same_ids(tokenizer, examples):
    """Share of the examples whose text the peer's tokenizer turns into the same ids, the end token aside."""
    equal = 0
    for example in examples:
        text = tokenizer.decode(example["ids"][:-1], clean_up_tokenization_spaces=False)
        equal += tokenizer(text, add_special_tokens=False)["input_ids"] == example["ids"][:-1]
    return equal / len(examples)


def main():
    parser = peer.arguments(__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--ids", required=True)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(42)
    examples = peer.read_json_lines(options.ids)
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    config = LoraConfig(
        r=4, lora_alpha=16, lora_dropout=0.0, target_modules=["q_proj", "k_proj", "v_proj"], task_type="CAUSAL_LM"
    )
    model = get_peft_model(model, config)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    before = mean_loss(model.eval(), examples)
    model.train()
    start = {name: weight.detach().clone() for name, weight in model.named_parameters() if weight.requires_grad}
    step(model, optimiser, examples[:2])  # warm-up, taken back
    for name, weight in model.named_parameters():
        if name in start:
            weight.data.copy_(start[name])
    optimiser.state.clear()
    tokens = sum(len(example["ids"]) for example in examples)
    generator = torch.Generator().manual_seed(42)
    seconds, losses = [], []
    peer.start_peak_memory()
    for _ in range(options.epochs):
        order = batches(examples, options.batch_size, generator)
        elapsed, of_epoch = peer.seconds_of(lambda: [step(model, optimiser, batch) for batch in order])
        seconds.append(elapsed)
        losses += of_epoch
    measurements = [
        peer.measurement("epoch", "s", seconds),
        peer.measurement("training", "real tokens/s", [tokens / elapsed for elapsed in seconds]),
    ]
    quality = {
        "tokens": tokens,
        "target_tokens": sum(len(example["ids"]) - example["target_begin"] for example in examples),
        "same_ids": same_ids(AutoTokenizer.from_pretrained(options.model), examples),
        "step_losses": losses,
        "loss_before": before,
        "loss_after": mean_loss(model.eval(), examples),
    }
    peer.publish(options.out, options.threads, measurements, quality)


if __name__ == "__main__":
    main()

"""PhatGOOSE gate training as a plain PyTorch loop over transformers, the way mttl does it.

q, k and v are replaced by the frozen layer plus sigmoid(gate . x) times a frozen LoRA; batches are padded, logits are
computed everywhere.

Runs on the token ids that `quiver bench train --gates --dump-ids` wrote, task by task.
"""

import torch
from transformers import AutoModelForCausalLM

import peer
from peer_train import batches, step

RANK, SCALE, EXAMPLES = 4, 4.0, 4


class GatedLinear(torch.nn.Module):
    """A frozen linear layer with a frozen random LoRA behind a trained gate."""

    def __init__(self, linear):
        super().__init__()
        self.linear = linear
        width = linear.in_features
        self.register_buffer("a", (torch.rand(RANK, width) * 2 - 1) / width**0.5)
        self.register_buffer("b", torch.randn(linear.out_features, RANK) * 0.02)
        self.gate = torch.nn.Parameter(torch.zeros(width))

    def forward(self, x):
        update = torch.nn.functional.linear(torch.nn.functional.linear(x, self.a), self.b) * SCALE
        return self.linear(x) + torch.sigmoid(x @ self.gate).unsqueeze(-1) * update


def train(model_folder, examples, steps):
    """(seconds, real tokens) of the gates of one expert."""
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32).requires_grad_(False)
    for layer in model.model.layers:
        for name in ("q_proj", "k_proj", "v_proj"):
            setattr(layer.self_attn, name, GatedLinear(getattr(layer.self_attn, name)))
    gates = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(gates, lr=1e-3, weight_decay=0.0)
    model.train()
    generator = torch.Generator().manual_seed(42)
    chosen = []
    while len(chosen) < steps:
        chosen += batches(examples, EXAMPLES, generator)
    chosen = chosen[:steps]
    seconds, _ = peer.seconds_of(lambda: [step(model, optimiser, batch, clip_norm=1.0) for batch in chosen])
    return seconds, sum(len(example["ids"]) for batch in chosen for example in batch)


def main():
    parser = peer.arguments(__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--ids", required=True)
    parser.add_argument("--steps", type=int, default=50, help="for each expert")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(42)
    by_task = {}
    for example in peer.read_json_lines(options.ids):
        by_task.setdefault(example["task"], []).append(example)
    train(options.model, next(iter(by_task.values())), 1)  # warm-up
    peer.start_peak_memory()
    runs = [train(options.model, examples, options.steps) for examples in by_task.values()]
    seconds, tokens = sum(run[0] for run in runs), sum(run[1] for run in runs)
    measurements = [peer.measurement("gate training", "real tokens/s", [tokens / seconds])]
    quality = {"experts": len(runs), "steps": options.steps * len(runs), "tokens": tokens}
    peer.publish(options.out, options.threads, measurements, quality)


if __name__ == "__main__":
    main()

"""Naive modular linear layers: the formulas written out, token by token, for the scripts that need a reference.

x (d) is the input of one slot (an adapted Linear of one layer) at one token. Expert e has A_e (r_e, d), B_e (out, r_e)
and the scale s_e = alpha_e / r_e.
"""

import torch


def adapted_modules(model, names):
    """{path: Linear} of the modules whose last name is in NAMES, in the model's order."""
    return {path: m for path, m in model.named_modules() if path.rsplit(".", 1)[-1] in names}


def replace_module(model, path, module):
    parent, name = path.rsplit(".", 1)
    setattr(model.get_submodule(parent), name, module)


class GatedLinear(torch.nn.Module):
    """PhatGOOSE's training form: y = W x + sigmoid(v . x) s B A x, where only the gate v (d) learns."""

    def __init__(self, base, a, b, scale):
        super().__init__()
        self.base, self.a, self.b, self.scale = base, a, b, scale
        self.gate = torch.nn.Parameter(torch.zeros(a.shape[1], dtype=a.dtype))

    def forward(self, x):
        strength = torch.sigmoid((x * self.gate).sum(-1, keepdim=True))
        return self.base(x) + strength * self.scale * (x @ self.a.T @ self.b.T)


class RoutedLinear(torch.nn.Module):
    """y = W x + the experts' contribution, as `weigh` (x -> (E) weights, zeros included) and `combine` say."""

    def __init__(self, base, experts, weigh, combine):
        super().__init__()
        self.base, self.experts, self.weigh, self.combine = base, experts, weigh, combine
        self.seen = []  # the (E) weights of every token, in order

    def forward(self, x):
        y = self.base(x).clone()
        combined = {"output": self._output, "parameter": self._parameter}[self.combine]
        for sequence in range(x.shape[0]):
            for token in range(x.shape[1]):
                weights = self.weigh(x[sequence, token])
                self.seen.append(weights)
                y[sequence, token] += combined(x[sequence, token], weights)
        return y

    def _output(self, x, weights):
        """sum_e w_e s_e B_e A_e x"""
        return sum(w * s * (b @ (a @ x)) for w, (a, b, s) in zip(weights, self.experts))

    def _parameter(self, x, weights):
        """(sum_e w_e s_e B_e)(sum_e w_e A_e) x, ranks zero-padded to the largest."""
        rank = max(a.shape[0] for a, _, _ in self.experts)
        merged_a = sum(w * _pad_rows(a, rank) for w, (a, _, _) in zip(weights, self.experts))
        merged_b = sum(w * s * _pad_rows(b.T, rank).T for w, (_, b, s) in zip(weights, self.experts))
        return merged_b @ (merged_a @ x)


def _pad_rows(matrix, rows):
    return torch.cat([matrix, matrix.new_zeros(rows - matrix.shape[0], matrix.shape[1])])


class TopK:
    """Softmax over the k largest logits, 0 elsewhere; `smallest_gap`: least lead of a kept logit over a dropped."""

    def __init__(self, k):
        self.k, self.smallest_gap = k, float("inf")

    def __call__(self, logits):
        order = logits.argsort(descending=True)
        if self.k < len(logits):
            gap = logits[order[self.k - 1]] - logits[order[self.k]]
            self.smallest_gap = min(self.smallest_gap, gap.item())
        weights = torch.zeros_like(logits)
        weights[order[: self.k]] = torch.softmax(logits[order[: self.k]], -1)
        return weights


def arrow_prototype(a, b):
    """The top right singular vector (d) of the dense B A, in float64; the sign is arbitrary."""
    _, _, right = torch.linalg.svd(b.double() @ a.double())
    return right[0]


def arrow_logits(prototypes, temperature, x):
    """|x . p_e| / temperature, (E); prototypes are (E, d)."""
    return (prototypes @ x).abs() / temperature


def phatgoose_logits(gates, x):
    """LN(x) . LN(v_e) / sqrt(d), (E); LN subtracts the mean and divides by the deviation (eps 1e-5), no affine."""
    d = x.shape[0]
    normal_x = torch.nn.functional.layer_norm(x, (d,), eps=1e-5)
    normal_gates = torch.nn.functional.layer_norm(gates, (d,), eps=1e-5)
    return normal_gates @ normal_x / d**0.5

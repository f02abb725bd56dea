"""Experts, libraries of them, and what is made of whole libraries."""

from quiver._native import native

Expert = native.Expert
ExpertLibrary = native.ExpertLibrary


def cluster(library, k=10, sparsity=0.5, seed=42):
    """Model-based clustering (Ostapenko et al. 2024, section 3.1): k-means of the experts by the cosine
    similarity of their sparsified weights.

    Args:
        k: clusters, 1 to the number of experts.
        sparsity: share of each expert's weights, the smallest, that is left out; in [0, 1).

    Returns:
        {"0": [task, ...], ...}, what train()'s finetune_task_path takes as a JSON file.
    """
    return native.cluster(library, k, sparsity, seed)


def merge(library, experts=None, method="mean", name="merged", weights=None, density=0.2):
    """The named experts (None: all) as one Expert; the methods are those of `quiver merge`."""
    return native.merge(library, list(experts or library.names), method, name, list(weights or []), density)

#!/usr/bin/env python3
"""Writes mbc.json: what numpy and scikit-learn make of small expert vectors in the steps of the reference's MBC.

vectors (18, 160): experts as flat weights; zeros: how many of each are 0 after sparsifying by `sparsity`; similarity:
scikit-learn's cosine similarities of the sparsified vectors; clustering: its KMeans on the rows of them.
unstructured: rows without clusters and the inertia KMeans reaches for several k.
sparsified: one vector, and for several sparsities the positions that stay when the numpy quantile is cut off.

Needs numpy and scikit-learn at the version QUIVER_SKLEARN_VERSION of deps/versions.env.
Usage: make_mbc.py [OUTPUT]
"""
import json
import pathlib
import sys

import numpy as np
import sklearn
from sklearn.cluster import KMeans
from sklearn.metrics.pairwise import cosine_similarity

EXPERTS, WIDTH, CLUSTERS, SPARSITY = 18, 160, 4, 0.5


def sparsify(vector, sparsity):
    magnitude = np.abs(vector.astype(np.float64))
    return np.where(magnitude <= np.quantile(magnitude, sparsity), 0, vector)


def k_means(rows, k):
    fit = KMeans(n_clusters=k, init="k-means++", n_init=10, random_state=42).fit(rows)
    return {"k": k, "labels": fit.labels_.tolist(), "inertia": float(fit.inertia_)}


def main():
    random = np.random.default_rng(20240517)
    centres = random.normal(size=(CLUSTERS, WIDTH))
    # Cluster sizes differ and members are not in order, as task names are not.
    members = random.permutation([0] * 7 + [1] * 5 + [2] * 4 + [3] * 2)
    vectors = (centres[members] + 0.7 * random.normal(size=(EXPERTS, WIDTH))).round(3).astype(np.float32)
    sparse = np.stack([sparsify(vector, SPARSITY) for vector in vectors])
    similarity = cosine_similarity(sparse.astype(np.float64))
    blobs = random.normal(size=(60, 5)).round(3)  # no structure: many local optima
    quantile_input = random.normal(size=41).round(3).astype(np.float32)
    golden = {
        "made_by": f"numpy {np.__version__}, scikit-learn {sklearn.__version__}",
        "sparsity": SPARSITY,
        "vectors": [[round(float(w), 3) for w in vector] for vector in vectors],
        "zeros": [int((vector == 0).sum()) for vector in sparse],
        "similarity": similarity.round(9).tolist(),
        "clustering": k_means(similarity, CLUSTERS),
        "unstructured": {"rows": blobs.tolist(), "fits": [k_means(blobs, k) for k in (2, 5, 9, 20)]},
        "sparsified": {
            "input": [round(float(w), 3) for w in quantile_input],
            "kept": {str(s): np.flatnonzero(sparsify(quantile_input, s)).tolist() for s in (0, 0.2, 0.29, 0.5, 0.8, 0.99)},
        },
    }
    default = pathlib.Path(__file__).with_name("mbc.json")
    output = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    output.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()

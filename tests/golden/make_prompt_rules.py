"""Scores of the prompt router's closed forms on random rows of three tasks, of unit length.

Reference: scikit-learn 1.7.2: RidgeClassifier, LinearDiscriminantAnalysis(solver="lsqr", shrinkage=g), OAS and LedoitWolf
(both of the rows around their task's mean). `narrow` has more rows than numbers a row, `wide` fewer.

Writes prompt_rules.json + prompt_rules.safetensors.
"""

import numpy as np
from sklearn.covariance import OAS, LedoitWolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier
import torch

from golden_files import Random, write_json, write_tensors

ROWS_OF_TASK = [4, 6, 8]
QUERIES = 5
LAMBDA = 0.1  # of the mean of |x - mean|^2


def unit(rows):
    rows = rows.double().numpy()
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def case(random, width):
    tasks = np.repeat(np.arange(len(ROWS_OF_TASK)), ROWS_OF_TASK)
    common, centres = random.normal((1, width), 2.0), random.normal((len(ROWS_OF_TASK), width), 1.0)
    rows = common + centres[tasks] + random.normal((len(tasks), width), 1.0)
    queries = common + random.normal((QUERIES, width), 2.0)
    x, q = unit(rows), unit(queries)

    values = {"tasks": tasks.tolist()}
    values["lambda"] = LAMBDA * ((x - x.mean(0)) ** 2).sum(1).mean()
    # RidgeClassifier's labels are -1 and 1.
    classifier = RidgeClassifier(alpha=values["lambda"], solver="cholesky").fit(x, tasks)
    values["ridge"] = ((classifier.decision_function(q) + 1) / 2).tolist()
    residuals = x - np.stack([x[tasks == task].mean(0) for task in range(len(ROWS_OF_TASK))])[tasks]
    for name, estimator in (("oas", OAS), ("ledoit_wolf", LedoitWolf)):
        shrinkage = float(estimator(assume_centered=True).fit(residuals).shrinkage_)
        discriminant = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(x, tasks)
        values[name] = {"shrinkage": shrinkage, "lda": discriminant.decision_function(q).tolist()}
    return values, rows, queries


def main():
    random = Random(7)
    values, tensors = {}, {}
    for name, width in (("narrow", 8), ("wide", 30)):
        values[name], tensors[f"{name}/rows"], tensors[f"{name}/queries"] = case(random, width)
    write_json("prompt_rules.json", values)
    write_tensors("prompt_rules.safetensors", tensors)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

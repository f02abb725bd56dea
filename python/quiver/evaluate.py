"""Measures of routed models."""

import os

from quiver._native import native


class Results(dict):
    """{model name: {metric: Evaluation}}, with tables and pictures where pandas and matplotlib are installed."""

    def to_pandas(self):
        """One row a model, metric and task; the mean over all examples has the task "all"."""
        import pandas

        rows = []
        for model, metrics in self.items():
            for metric, evaluation in metrics.items():
                values = {"all": evaluation.value, **evaluation.per_task}
                rows += [(model, metric, task, value) for task, value in values.items()]
        return pandas.DataFrame(rows, columns=["model", "metric", "task", "value"])

    def plot(self, metric=None, ax=None):
        """Bars of one metric (None: the first), a bar a model; returns matplotlib's axes."""
        import matplotlib.pyplot

        ax = ax or matplotlib.pyplot.subplots()[1]
        metric = metric or next(iter(next(iter(self.values()))))
        bars = ax.bar(list(self), [metrics[metric].value for metrics in self.values()])
        ax.bar_label(bars, fmt="%.3g")
        ax.set_ylabel(metric)
        return ax


def _named(models):
    return dict(models) if isinstance(models, dict) else {model.router: model for model in models}


def rouge(models, config, *, split="test", per_task=0, max_new_tokens=128, batch_size=8):
    """Rouge-L of greedy continuations (0..100) on the config's data set.

    Args:
        models: RoutedModels over one base: a list, named by their routers, or {name: model}.
        config: config keys; "dataset" and "finetune_task_name" say which rows.
        per_task: the first rows of each task; 0: all.
    """
    models = _named(models)
    found = native.evaluate_rouge(
        [model._native for model in models.values()], dict(config), split, per_task, max_new_tokens, batch_size
    )
    return Results({name: {evaluation.metric: evaluation} for name, evaluation in zip(models, found)})


def choices(models, definition, data, *, limit=0):
    """Multiple choice as lm-evaluation-harness scores it.

    Args:
        definition: a task definition, such as tasks/arc_easy.json.
        data: its rows: a Parquet or JSON lines file, or a folder in the hub's layout.
        limit: the first questions; 0: all.
    """
    models = _named(models)
    found = native.evaluate_choices(
        [model._native for model in models.values()], os.fspath(definition), os.fspath(data), limit
    )
    return Results({name: {one.metric: one for one in metrics} for name, metrics in zip(models, found)})

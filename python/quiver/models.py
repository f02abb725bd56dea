"""Base models and routed models."""

import os

from quiver._native import native

Generation = native.Generation
Score = native.Score


def _texts(texts):
    """(list of texts, whether it was one text alone)."""
    return ([texts], True) if isinstance(texts, str) else (list(texts), False)


def _check(results):
    for result in results:
        if result.error is not None:
            from quiver.errors import InvalidArgument

            raise InvalidArgument(result.error)


class BaseModel:
    """A causal language model with frozen weights, shared by any number of routed models and threads.

    Args:
        path: a Hugging Face folder (config.json, safetensors, tokenizer.json), or a .gguf file.
        precision: "float32" (16-bit and GGUF weights stay as they are in memory), "bfloat16" or "q8".
        device: "cpu", "cuda" or "cuda:N".

    Raises:
        NotFound, CorruptFile, Unsupported: naming the file, family, tensor type or device.
    """

    def __init__(self, path, precision="float32", device="cpu"):
        self._native = native.load_base(os.fspath(path), precision, device)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._native, name)

    def __dir__(self):
        return sorted({*super().__dir__(), *(n for n in dir(self._native) if not n.startswith("_"))})

    def __repr__(self):
        return repr(self._native)


class RoutedModel:
    """A base model, experts and a router: immutable, and usable from several threads at once.

    Args:
        base: a BaseModel.
        library: an ExpertLibrary; None for the base alone.
        router: "base", "oracle", "uniform", "prompt", "arrow", "phatgoose", ... or "expert:NAME".
        settings: top_k, temperature, combine ("output" or "parameter"), default_expert, bos, compat, and what
            the router has beside (`quiver generate --help` lists it), with _ for -.

    Raises:
        NotFound: an expert lacks what the router reads, with the command that makes it.
        Stale: that was made from other weights.
        InvalidArgument: a setting that the router does not have, an expert of another base.
    """

    def __init__(self, base, library=None, router="base", **settings):
        self._native = native.compose(base._native, library, router, settings)
        self.base = base

    @classmethod
    def load(cls, directory, base=None):
        """Reads a folder that save() or `quiver compose` wrote; `base`: a BaseModel that is loaded already."""
        model = cls.__new__(cls)
        model._native = native.load_routed_model(os.fspath(directory), None if base is None else base._native)
        if base is None:
            base = BaseModel.__new__(BaseModel)
            base._native = model._native.base
        model.base = base
        return model

    @property
    def expert_names(self):
        """Names of the experts, sorted: what the E in shapes counts."""
        return self._native.expert_names

    @property
    def router(self):
        """The router's name."""
        return self._native.router

    def generate(
        self,
        prompts,
        *,
        tasks=None,
        max_new_tokens=128,
        temperature=0.0,
        top_p=1.0,
        seed=42,
        stop=(),
        batch_size=8,
        record_routing=False,
    ):
        """Continues a text, or a list of texts.

        Args:
            prompts: a text, or a list of them.
            tasks: a task name for all, or one each; only the oracle and poly read them.
            temperature: 0 is greedy.
            top_p: sample from the smallest set of tokens with this probability.
            seed: with a prompt's place it decides what is drawn, whatever is decoded beside.
            stop: texts that end a continuation; they are cut off.
            batch_size: sequences decoded together.
            record_routing: fill expert_weights and token_experts.

        Returns:
            A Generation for a text, a list of them for a list.

        Raises:
            InvalidArgument: an option out of range, or a prompt that fails.
        """
        texts, is_one = _texts(prompts)
        results = self._native.generate_all(
            texts, _texts(tasks or [])[0], max_new_tokens, temperature, top_p, seed, list(stop), batch_size, record_routing
        )
        _check(results)
        return results[0] if is_one else results

    def score(self, prompts, completions, *, tasks=None, append_end_of_text=False):
        """How likely each completion is after its prompt: a Score, or a list of them.

        Args:
            prompts, completions: a text each, or lists of one length.
            append_end_of_text: also the end-of-text token after it (Score.end_logprob).
        """
        texts, is_one = _texts(prompts)
        results = self._native.score_all(texts, _texts(completions)[0], _texts(tasks or [])[0], append_end_of_text)
        _check(results)
        return results[0] if is_one else results

    def route(self, prompt, task=""):
        """The routing weights of a prompt: {module path: array (T, E) float32} for the T tokens of
        prompt_ids(prompt) and the E experts of expert_names; zero for experts that were not chosen."""
        return self._native.route(prompt, task)

    def prompt_ids(self, prompt):
        """The token ids that a prompt to continue is run as."""
        return self._native.prompt_ids(prompt)

    def without_expert(self, name):
        """The same model with one expert left out."""
        model = RoutedModel.__new__(RoutedModel)
        model._native = self._native.without_expert(name)
        model.base = self.base
        return model

    def save(self, directory):
        """Writes router, experts and a reference to the base as one folder, in one step."""
        self._native.save(os.fspath(directory))

    def __repr__(self):
        return repr(self._native)

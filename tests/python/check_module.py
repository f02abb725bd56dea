"""The Python module on a small model, by the standard library's unittest. Needs numpy and nothing else.

Usage: check_module.py GOLDEN_FOLDER
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

GOLDEN = pathlib.Path(sys.argv.pop(1))

import numpy  # noqa: E402

import quiver  # noqa: E402

WORDS = {"sky": "blue", "sea": "deep", "sun": "warm"}


def write_rows(path):
    lines = []
    for task, answer in WORDS.items():
        for split in ("train", "test"):
            for length in range(1, 5):
                row = {"source": f"{task} " * length, "target": answer, "task_name": task, "split": split}
                lines.append(json.dumps(row))
    path.write_text("\n".join(lines) + "\n")


class Module(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name)
        write_rows(cls.folder / "rows.jsonl")
        cls.config = {
            "dataset": str(cls.folder / "rows.jsonl"),
            "include_task_source": "*",
            "output_dir": str(cls.folder / "out"),
            "total_steps": 4,
            "modify_modules": ".*self_attn",
            "modify_layers": "q_proj|v_proj",
            "statistics_rows": 4,
        }
        cls.base = quiver.BaseModel(GOLDEN / "tiny_llama")
        cls.library = quiver.ExpertLibrary(f"local://{cls.folder}/experts", create=True)
        cls.steps = []
        cls.names = quiver.train(
            cls.config, cls.base, cls.library, on_step=lambda *step: cls.steps.append(step)
        )

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def test_trains_an_expert_per_task(self):
        self.assertEqual(sorted(self.names), sorted(WORDS))
        self.assertEqual(list(self.library), sorted(WORDS))
        self.assertEqual(len(self.library), 3)
        self.assertIn("sky", self.library)
        self.assertEqual(len(self.steps), 12)
        self.assertEqual({step[0] for step in self.steps}, set(WORDS))
        self.assertEqual(self.library["sky"].config["tasks"], ["sky"])
        self.assertEqual(self.library.config("sky"), self.library["sky"].config)
        self.assertEqual(self.library.verify(), [])
        with self.assertRaises(quiver.AlreadyExists):
            quiver.train(self.config, self.base, self.library)
        self.assertEqual(sorted(quiver.train(self.config, self.base, self.library, resume=True)), sorted(WORDS))

    def test_arrays_share_the_experts_memory(self):
        expert = self.library["sea"]
        modules = expert.modules
        a, b, scale = next(iter(modules.values()))
        self.assertEqual(a.dtype, numpy.float32)
        self.assertEqual(scale, 4.0)  # alpha 16, rank 4
        self.assertEqual(a.shape[0], b.shape[1])
        a[0, 0] = 7
        again = next(iter(expert.modules.values()))[0]
        self.assertEqual(again.ctypes.data, a.ctypes.data)
        self.assertEqual(again[0, 0], 7)
        made = quiver.Expert("made", modules, tasks=["sea"], base_model=expert.config["base_model"])
        self.assertEqual(next(iter(made.modules.values()))[0].ctypes.data, a.ctypes.data)
        self.assertEqual(made.digest, expert.digest)
        del expert, again
        self.assertEqual(next(iter(made.modules.values()))[0][0, 0], 7)  # kept alive by what uses it
        folder = self.folder / "peft"
        made.save(folder)
        self.assertTrue((folder / "adapter_config.json").exists())
        self.assertEqual(quiver.Expert.load(folder).digest, made.digest)

    def test_libraries_are_cloned_renamed_and_removed(self):
        copy = self.library.clone(f"local://{self.folder}/copy")
        self.assertEqual(copy.names, self.library.names)
        copy.rename("sky", "heaven")
        copy.remove("sea")
        self.assertEqual(copy.names, ["heaven", "sun"])
        copy.add(self.library["sea"])
        with self.assertRaises(quiver.AlreadyExists):
            copy.add(self.library["sea"])
        with self.assertRaises(quiver.NotFound) as caught:
            copy["see"]
        self.assertIn("sea", caught.exception.hint)
        self.assertIsInstance(caught.exception, LookupError)

    def test_routes_and_generates_as_the_program(self):
        self.assertEqual(quiver.prototypes.arrow(self.library), 3)
        self.assertEqual(quiver.prototypes.arrow(self.library), 0)
        model = quiver.RoutedModel(self.base, self.library, router="arrow", top_k=2)
        self.assertEqual(model.expert_names, sorted(WORDS))
        prompts = ["sky sky", "the sea", "sun"]
        together = model.generate(prompts, max_new_tokens=6)
        self.assertEqual([one.ids for one in together], [model.generate(p, max_new_tokens=6).ids for p in prompts])
        path = os.environ.get("QUIVER_PROGRAM")
        if path:
            lines = "".join(json.dumps({"prompt": p}) + "\n" for p in prompts)
            (self.folder / "prompts.jsonl").write_text(lines)
            command = [path, "generate", str(GOLDEN / "tiny_llama"), "--library", self.library.uri, "--router", "arrow"]
            command += ["--top-k", "2", "--input", str(self.folder / "prompts.jsonl"), "--max-new-tokens", "6"]
            said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
            texts = [json.loads(line)["completion"] for line in said.splitlines()]
            self.assertEqual(texts, [one.text for one in together])
        weights = model.route("the sea")
        tokens = len(model.prompt_ids("the sea"))
        for array in weights.values():
            self.assertEqual(array.shape, (tokens, 3))
            numpy.testing.assert_allclose(array.sum(1), 1, rtol=1e-5)
            self.assertTrue(((array > 0).sum(1) <= 2).all())
        model.save(self.folder / "composed")
        loaded = quiver.RoutedModel.load(self.folder / "composed", self.base)
        self.assertEqual(loaded.generate("sun", max_new_tokens=6).ids, together[2].ids)

    def test_scores_are_log_probabilities(self):
        model = quiver.RoutedModel(self.base)
        one = model.score("the sky is", " blue")
        self.assertLess(one.logprob, 0)
        several = model.score(["the sky is"] * 2, [" blue", " warm"])
        self.assertAlmostEqual(several[0].logprob, one.logprob, places=4)
        self.assertRaises(quiver.InvalidArgument, model.score, ["a"], ["b", "c"])

    def test_evaluates_and_clusters(self):
        models = {
            "base": quiver.RoutedModel(self.base),
            "oracle": quiver.RoutedModel(self.base, self.library, router="oracle"),
        }
        results = quiver.evaluate.rouge(models, self.config, per_task=2, max_new_tokens=4)
        self.assertEqual(list(results), ["base", "oracle"])
        for metrics in results.values():
            self.assertEqual(metrics["rougeL"].n, 6)
            self.assertTrue(0 <= metrics["rougeL"].value <= 100)
            self.assertEqual(set(metrics["rougeL"].per_task), set(WORDS))
        clusters = quiver.cluster(self.library, k=2, sparsity=0.2)
        self.assertEqual(sorted(task for tasks in clusters.values() for task in tasks), sorted(WORDS))
        merged = quiver.merge(self.library, method="cat", name="all")
        self.assertEqual(merged.config["rank"], 12)

    def test_refuses_what_does_not_fit_with_a_hint(self):
        for call in (
            lambda: quiver.RoutedModel(self.base, self.library, router="arow"),
            lambda: quiver.RoutedModel(self.base, self.library, router="uniform", top_k2=3),
            lambda: quiver.train({"lora_rnk": 3}, self.base, self.library),
            lambda: quiver.Expert("none", {}),
            lambda: quiver.Expert("odd", {"x": (numpy.zeros((2, 3)), numpy.zeros((3, 4)), 1.0)}),
            lambda: quiver.Expert("odd", {"x": ("text", numpy.zeros((3, 4)), 1.0)}),
            lambda: quiver.RoutedModel(self.base).generate("a", max_new_tokens=0),
        ):
            self.assertRaises(quiver.InvalidArgument, call)
        self.assertRaises(quiver.NotFound, quiver.BaseModel, self.folder / "nowhere")
        self.assertRaises(quiver.NotFound, quiver.ExpertLibrary, f"local://{self.folder}/nowhere")

    def test_two_threads_generate_at_once(self):
        model = quiver.RoutedModel(self.base)
        expected = model.generate("the sun", max_new_tokens=40).ids
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(model.generate("the sun", max_new_tokens=40).ids))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(found, [expected, expected])

    def test_an_interrupt_stops_a_training_and_keeps_its_checkpoint(self):
        config = {**self.config, "total_steps": 100000, "output_dir": str(self.folder / "stopped")}
        library = quiver.ExpertLibrary(f"local://{self.folder}/stopped_experts", create=True)

        def interrupt():
            time.sleep(1)
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with self.assertRaises(KeyboardInterrupt):
            quiver.train(config, self.base, library, at_once=1)
        thread.join()
        self.assertEqual(len(library), 0)
        self.assertTrue(list((self.folder / "stopped" / "checkpoints").iterdir()))

    def test_what_a_callback_raises_comes_out(self):
        library = quiver.ExpertLibrary(f"local://{self.folder}/raised_experts", create=True)

        def fail(*_):
            raise RuntimeError("enough")

        with self.assertRaisesRegex(RuntimeError, "enough"):
            quiver.train({**self.config, "output_dir": str(self.folder / "raised")}, self.base, library, on_step=fail)


class Import(unittest.TestCase):
    def test_loads_nothing_heavy(self):
        code = (
            "import sys, time; start = time.perf_counter(); import quiver; spent = time.perf_counter() - start;"
            "heavy = [n for n in sys.modules if n.split('.')[0] in ('torch', 'numpy', 'pyarrow')];"
            "mapped = open('/proc/self/maps').read().count('libtorch');"
            "print(heavy, mapped, 'RoutedModel' in dir(quiver))"
        )
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
        self.assertEqual(said.stdout.strip(), "[] 0 True")

    def test_another_torch_is_refused(self):
        code = (
            "import sys, types; torch = types.ModuleType('torch'); torch.__version__ = '1.0.0+cpu';"
            "sys.modules['torch'] = torch; import quiver; quiver.BaseModel"
        )
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        self.assertIn("ImportError: quiver was built for torch", said.stderr)
        self.assertIn("this Python has torch 1.0.0+cpu", said.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)

"""What the parity scripts share: running the quiver program, random texts, one line a comparison."""

import argparse
import contextlib
import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASE = ROOT / "tests/golden/tiny_llama"


def arguments(description, experts=False):
    """--quiver PROGRAM and the folder that everything is written to, which must be new or empty; and, where asked for,
    the folder of trained_experts.py."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quiver", type=pathlib.Path, default=ROOT / "build/quiver", help="default: build/quiver")
    parser.add_argument("folder", type=pathlib.Path, help="new or empty; everything is written here")
    if experts:
        parser.add_argument("experts", type=pathlib.Path, help="the folder that trained_experts.py made")
    options = parser.parse_args()
    if experts:
        options.experts = options.experts.resolve()
    options.folder = options.folder.resolve()
    options.folder.mkdir(parents=True, exist_ok=True)
    if any(options.folder.iterdir()):
        parser.error(f"{options.folder} is not empty")
    return options


class Quiver:
    def __init__(self, program):
        self._program = pathlib.Path(program).resolve()

    def run(self, *command):
        done = subprocess.run([self._program, *map(str, command)], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"quiver {' '.join(map(str, command))}: {done.stderr}")
        return done.stdout

    def score(self, rows, folder, *model):
        """The log-probability of every row's completion; rows are (prompt, completion)."""
        lines = [json.dumps({"prompt": prompt, "completion": completion}) for prompt, completion in rows]
        questions = folder / "questions.jsonl"
        questions.write_text("\n".join(lines) + "\n")
        answers = self.run("score", *model, "--input", questions).splitlines()
        return [json.loads(line)["logprob"] for line in answers]


    @contextlib.contextmanager
    def serve(self, *command):
        """A server on a free port; gives its address, "http://127.0.0.1:PORT"."""
        program = subprocess.Popen([self._program, "--quiet", "serve", *map(str, command), "--port", "0"],
                                   stdout=subprocess.PIPE, text=True)
        try:
            address = program.stdout.readline().strip()
            if not address:
                raise SystemExit(f"quiver serve {' '.join(map(str, command))}: ended with {program.wait()}")
            yield address
        finally:
            program.terminate()
            program.wait(timeout=60)


class Comparisons:
    """Prints a line each and remembers whether one failed."""

    def __init__(self):
        self._count = self._failed = 0

    def _tell(self, ok, what):
        self._count += 1
        self._failed += not ok
        print("ok    " if ok else "FAILED", what, flush=True)

    def within(self, what, difference, limit):
        self._tell(difference <= limit, f"{what}: {difference:.2e}, limit {limit:.1e}")

    def beyond(self, what, difference, least):
        self._tell(difference > least, f"{what}: {difference:.2e}, at least {least:.0e}")

    def equal(self, what, left, right):
        self._tell(left == right, what if left == right else f"{what}: {left!r} and {right!r}")

    def finish(self):
        print(f"{self._count} comparisons, {self._failed} failed")
        raise SystemExit(1 if self._failed else 0)

"""`quiver serve` as a child, and what can be seen of it from outside."""

import json
import pathlib
import statistics
import subprocess
import threading
import time


class ServedProgram:
    """The server on a free port. Its log goes into a file of the folder."""

    def __init__(self, program, arguments, folder):
        self.log = pathlib.Path(folder) / "server.log"
        self._log = self.log.open("w")
        command = [program, "--log-format", "json", "serve", *arguments, "--port", "0"]
        self.child = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=self._log, text=True)
        line = self.child.stdout.readline().strip()
        if not line:
            raise SystemExit(f"soak: the server did not start: {self.log.read_text()[-500:]}")
        self.address = line.removeprefix("http://")

    def signal(self, number):
        self.child.send_signal(number)

    def end(self, seconds):
        """SIGTERM; the exit status, None where it does not end in time."""
        self.child.terminate()
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            return None

    def resident_kib(self):
        for line in pathlib.Path(f"/proc/{self.child.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0

    def descriptors(self):
        return len(list(pathlib.Path(f"/proc/{self.child.pid}/fd").iterdir()))

    def logged(self):
        """The log's objects; lines that are none are given as {"text": ...}."""
        for line in self.log.read_text(errors="replace").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                yield {"text": line}


class Samples:
    """VmRSS of /proc/PID/status and the number of descriptors, once a second."""

    def __init__(self, program):
        self._program = program
        self._begin = time.monotonic()
        self._rows = []  # (seconds, KiB, descriptors)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._over.wait(1):
            try:
                row = (self._program.resident_kib(), self._program.descriptors())
            except OSError:  # it has ended
                return
            self._rows.append((time.monotonic() - self._begin, *row))

    def stop(self):
        self._over.set()
        self._thread.join()

    def rows(self):
        return self._rows

    def median(self, begin, end):
        """(KiB, descriptors) in the median of the samples between two times."""
        rows = [row for row in self._rows if begin <= row[0] <= end]
        if not rows:
            return 0, 0
        return statistics.median(row[1] for row in rows), statistics.median(row[2] for row in rows)

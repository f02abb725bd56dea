#!/usr/bin/env python3
"""`quiver serve` under wrk (Debian's package): no error at 64 connections on /health, none at 16 that complete.

    check_wrk.py --quiver build/quiver NEW_FOLDER
"""

import json
import re
import subprocess
import urllib.request

from quiver_program import BASE, Comparisons, Quiver, arguments

PROMPT, NEW_TOKENS = "colour of the sea:", 4
# Counts the answers that are not the expected one; wrk itself counts those that are no 2xx or 3xx.
LUA = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[%s]==]
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init() wrong, right = 0, 0 end
function response(status, headers, body)
  if status == 200 and body:find([==[%s]==], 1, true) then right = right + 1 else wrong = wrong + 1 end
end
function done()
  local sum = {wrong = 0, right = 0}
  for _, thread in ipairs(threads) do
    sum.wrong, sum.right = sum.wrong + thread:get("wrong"), sum.right + thread:get("right")
  end
  print("wrong answers: " .. sum.wrong .. ", right ones: " .. sum.right)
end
"""


def wrk(url, connections, seconds, *more):
    command = ["wrk", "-t", "2", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "60s", *more, url]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    requests = int(re.search(r"(\d+) requests in", text)[1])
    errors = re.findall(r"Socket errors:.*|Non-2xx.*", text)
    print(f"      {url}: {requests} requests, {re.search('Requests/sec: *(.*)', text)[1]} a second", flush=True)
    return text, requests, errors


def generated(address):
    """How many sequences the server says to have ended, by the reason."""
    text = urllib.request.urlopen(address + "/metrics").read().decode()
    found = re.findall(r'^vllm:request_success_total{.*finished_reason="(\w+)".*} (\S+)$', text, re.MULTILINE)
    return {reason: float(count) for reason, count in found if float(count) > 0}


def main():
    options = arguments(__doc__.splitlines()[0])
    quiver, compare = Quiver(options.quiver), Comparisons()
    body = json.dumps({"prompt": PROMPT, "max_tokens": NEW_TOKENS, "temperature": 0, "ignore_eos": True})
    quiver.run("generate", BASE, "--prompt", PROMPT, "--max-new-tokens", NEW_TOKENS, "--out", options.folder / "text")
    text = (options.folder / "text").read_bytes().decode("utf-8", errors="replace")[:-1]
    with quiver.serve(BASE) as address:
        _, requests, errors = wrk(address + "/health", 64, 5)
        compare.beyond("/health: requests", requests, 0)
        compare.equal("/health: errors", errors, [])
        script = options.folder / "complete.lua"
        script.write_text(LUA % (body, '"text":' + json.dumps(text, ensure_ascii=False)), encoding="utf-8")
        report, requests, errors = wrk(address + "/v1/completions", 16, 5, "-s", str(script))
        wrong, right = map(int, re.search(r"wrong answers: (\d+), right ones: (\d+)", report).groups())
        compare.beyond("completions: the text of quiver generate", right, 0)
        compare.equal("completions: other answers", wrong, 0)
        compare.equal("completions: errors", errors, [])
        compare.equal("completions: ends", set(generated(address)) - {"abort"}, {"length"})  # wrk leaves in the middle
    compare.finish()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Uses the server's page as somebody at a keyboard would, in headless Chromium.

    check_page.py URL ADAPTER [--pictures FOLDER]     a server that runs; a folder below its --loading-root
    check_page.py --quiver PROGRAM                    one that is started for it, on a small model made of golden files

Exit status 77: there is no Chromium.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile

from devtools import Browser, chromium

ANSWERED = "!running && document.querySelectorAll('#answer .token').length > 0"
COLOURED = "[...document.querySelectorAll('#answer .token')].filter(token => token.style.getPropertyValue('--of')).length"


def check(what, holds):
    print(("ok      " if holds else "FAILED  ") + what)
    if not holds:
        sys.exit(1)


def send(browser, model, prompt):
    """Chooses a model, writes the prompt by keyboard and sends it with Ctrl+Enter."""
    browser.evaluate(f"at('model').value = '{model}'; at('prompt').focus(); at('prompt').select()")
    browser.type(prompt)
    browser.press("Enter", 13, modifiers=2)
    browser.wait(ANSWERED)
    check(f"{model}: the prompt stands above the answer",
          prompt in browser.evaluate("document.querySelector('#answer').textContent"))
    check(f"{model}: no problem is shown", not browser.evaluate("at('status').classList.contains('bad')"))


def use_models(browser):
    send(browser, "arrow", "The river flows")
    check("arrow: the stream came in pieces", browser.evaluate("routed.texts.length") > 3)
    check("arrow: every token has a colour", browser.evaluate(f"{COLOURED} === document.querySelectorAll('#answer .token').length"))
    check("arrow: shares add up to 1", abs(browser.evaluate(
        "[...document.querySelectorAll('#shares li > span + span')].reduce((sum, share) => sum + parseFloat(share.textContent), 0)") - 100) < 1)
    rows = browser.evaluate("document.querySelectorAll('#map tbody tr').length")
    check("arrow: the map has a row a token, prompt and answer", rows == browser.evaluate("routed.cells.length") and rows > 5)
    cells = browser.evaluate("document.querySelectorAll('#map td').length")
    check("arrow: and a column a layer of the slot", cells == rows * browser.evaluate(
        "routed.slots.filter(path => kindOf(path) === at('slot').value).length"))
    first = browser.evaluate("at('slot').value")
    browser.evaluate("at('slot').focus()")
    browser.press("ArrowDown", 40)
    browser.press("Enter", 13)
    check("arrow: another slot can be chosen by key", browser.wait(f"at('slot').value !== '{first}'"))
    send(browser, "base", "The river flows")
    check("base: nothing has a colour", browser.evaluate(COLOURED) == 0)


def use_chat(browser):
    browser.evaluate("document.querySelector('[value=chat]').click()")
    send(browser, "arrow", "Hello <b>you</b>")
    send(browser, "arrow", "And again")
    check("chat: both turns stay", browser.evaluate("document.querySelectorAll('.turn').length") == 4)
    browser.evaluate("at('max').value = 4000")
    browser.evaluate("at('prompt').value = 'Too much'; at('ask').requestSubmit()")
    check("chat: a failure is shown", browser.wait("!running && at('status').classList.contains('bad')"))
    check("chat: and leaves no turn in the history",
          browser.evaluate("messages.map(message => message.role).join()") == "user,assistant,user,assistant")
    browser.evaluate("at('max').value = 8")
    check("chat: text is shown as text", browser.evaluate("document.querySelectorAll('#answer b').length") == 0)
    browser.evaluate("document.querySelector('[value=completion]').click()")


def use_adapters(browser, folder):
    count = browser.evaluate("document.querySelectorAll('#adapters button').length")
    browser.evaluate("at('lora-name').focus()")
    browser.type("from_page")
    browser.press("Tab", 9)
    browser.type(folder)
    browser.evaluate("at('load').requestSubmit()")
    browser.wait(f"document.querySelectorAll('#adapters button').length === {count + 1}")
    send(browser, "from_page", "The river flows")
    browser.evaluate("document.querySelector('[aria-label=\"Drop from_page\"]').click()")
    browser.wait(f"document.querySelectorAll('#adapters button').length === {count}")
    check("adapters: one was loaded, used and dropped", True)
    browser.evaluate("document.querySelector('#lora-path').value = '/nowhere'; document.querySelector('#lora-name').value = 'x'")
    browser.evaluate("at('load').requestSubmit()")
    check("adapters: a refusal is shown", browser.wait("at('status').classList.contains('bad') && at('status').textContent"))
    browser.evaluate("at('load').reset()")


def take_pictures(browser, folder):
    for width, dark in ((1280, False), (390, True)):
        browser.size(width, 800, dark)
        check(f"{width} px: nothing is wider than the page", browser.evaluate("document.documentElement.scrollWidth") <= width)
        if folder:
            browser.screenshot(pathlib.Path(folder) / f"page_{width}.png")


def use(url, adapter, pictures=None, prompt="The three states of matter are"):
    with Browser() as browser:
        browser.size(1280, 800)
        browser.open(url)
        browser.wait("at('model').options.length > 2")
        browser.evaluate("at('max').value = 8")
        use_adapters(browser, adapter)
        use_chat(browser)
        use_models(browser)
        if pictures:
            browser.evaluate("at('max').value = 12")
            send(browser, "arrow", prompt)
        take_pictures(browser, pictures)


def serve(program, folder):
    """A server of the golden model with two experts and the router arrow; its process and address."""
    golden = pathlib.Path(__file__).resolve().parents[1] / "golden"
    base, library = folder / "base", folder / "library"
    shutil.copytree(golden / "tiny_llama", base)
    (base / "chat_template.jinja").write_text("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
    shutil.copytree(golden / "tiny_llama_expert", folder / "adapters/one")
    run = lambda *arguments: subprocess.run([program, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
    for name in ("first", "second"):
        run("library", "import", folder / "adapters/one", library, "--name", name)
    run("prototypes", "arrow", library)
    server = subprocess.Popen([program, "serve", base, "--library", library, "--router", "arrow", "--port", "0",
                               "--allow-loading", "--loading-root", folder / "adapters"], stdout=subprocess.PIPE, text=True)
    return server, server.stdout.readline().strip()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url", nargs="?")
    parser.add_argument("adapter", nargs="?")
    parser.add_argument("--pictures")
    parser.add_argument("--quiver")
    arguments = parser.parse_args()
    if not chromium():
        print("there is no Chromium here (Debian: chromium)")
        sys.exit(77)
    if not arguments.quiver:
        use(arguments.url, arguments.adapter, arguments.pictures)
        return
    with tempfile.TemporaryDirectory() as folder:
        server, url = serve(arguments.quiver, pathlib.Path(folder))
        try:
            use(url, str(pathlib.Path(folder) / "adapters/one"), arguments.pictures)
        finally:
            server.terminate()
            server.wait(60)


if __name__ == "__main__":
    main()

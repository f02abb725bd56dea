#!/usr/bin/env python3
"""Renders the chat templates of many model families with transformers and with Quiver, and counts where they differ.

    check_chat_templates.py FOLDER TEST_PROGRAM

The templates are those in .deps/llama.cpp, the conversations those of tests/golden/make_chat_templates.py. FOLDER gets what
transformers writes; TEST_PROGRAM, build/release/tests/quiver_chat_shared_test, reads it from $QUIVER_PARITY_DATA and prints the
differences. Pairs that jinja2 refuses in words of its own (a template reads what a message has not) are left out.
"""

import json
import os
import pathlib
import subprocess
import sys
from unittest import mock

import transformers.utils.chat_template_utils as chat_template_utils
from jinja2.exceptions import TemplateError

PROJECT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "tests/golden"))
import make_chat_templates as golden  # noqa: E402


def render(source, messages, options):
    named = {name: golden.CONFIG[name] for name in ("bos_token", "eos_token")}
    options = options if "continue_final_message" in options else {"add_generation_prompt": True, **options}
    try:
        rendered, _ = chat_template_utils.render_jinja_template([messages], chat_template=source, **named, **options)
        return {"text": rendered[0]}
    except TemplateError as error:
        return {"error": str(error)} if type(error) is TemplateError else None
    except (TypeError, ValueError):
        return None  # a filter on a value of another type; a message that the template does not write to its end


def main():
    folder, program = pathlib.Path(sys.argv[1]), sys.argv[2]
    folder.mkdir(parents=True, exist_ok=True)
    results = {}
    with mock.patch.object(chat_template_utils, "datetime", mock.Mock(now=lambda: golden.NOW)):
        for path in sorted((PROJECT / ".deps/llama.cpp/vendor/llama.cpp/models/templates").glob("*.jinja")):
            rendered = {name: render(path.read_text(), messages, options)
                        for name, (messages, options) in golden.CONVERSATIONS.items()}
            results[str(path)] = {name: result for name, result in rendered.items() if result is not None}
    conversations = {name: {"messages": messages, "options": options}
                     for name, (messages, options) in golden.CONVERSATIONS.items()}
    data = {"config": golden.CONFIG, "conversations": conversations, "results": results}
    (folder / "chat_templates.json").write_text(json.dumps(data))
    done = subprocess.run([program, "--gtest_filter=ChatTemplateParity.*"],
                          env={**os.environ, "QUIVER_PARITY_DATA": str(folder)})
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()

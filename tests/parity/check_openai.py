#!/usr/bin/env python3
"""`quiver serve` driven by the openai package, as its users drive it.

    check_openai.py --quiver build/quiver NEW_FOLDER      (packages: requirements_peers.txt)
"""

import json
import threading
import urllib.request

import openai

from quiver_program import BASE, Comparisons, Quiver, arguments

PROMPT = "colour of the sea:"


def check_completions(client, compare, expected):
    answer = client.completions.create(model="base", prompt=PROMPT, max_tokens=12, temperature=0)
    compare.equal("a completion's text is that of quiver generate", answer.choices[0].text, expected)
    compare.equal("its reason to end", answer.choices[0].finish_reason, "length")
    compare.equal("its tokens", answer.usage.total_tokens, answer.usage.prompt_tokens + 12)
    stream = client.completions.create(model="base", prompt=PROMPT, max_tokens=12, temperature=0, stream=True,
                                       stream_options={"include_usage": True})
    chunks = list(stream)
    compare.equal("a stream's text", "".join(c.choices[0].text for c in chunks if c.choices), expected)
    compare.equal("its usage", chunks[-1].usage.completion_tokens, 12)
    compare.equal("one id", len({c.id for c in chunks}), 1)
    several = client.completions.create(model="base", prompt=[PROMPT, "number of the sun:"], n=2, max_tokens=4, seed=3,
                                        temperature=1.5, logprobs=3)
    compare.equal("choices of two prompts, two answers each", [c.index for c in several.choices], [0, 1, 2, 3])
    compare.equal("log-probabilities", [len(c.logprobs.token_logprobs) for c in several.choices], [4] * 4)
    ours = client.completions.create(model="base", prompt=PROMPT, max_tokens=4, extra_body={"return_routing": True,
                                                                                         "top_k": 1})
    compare.equal("fields of ours pass through extra_body", ours.choices[0].finish_reason, "length")


TEMPLATE = """{% for m in messages %}{{ m.role }}: {{ m.content }}
{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"""


def check_chats(quiver, folder, compare):
    """A chat is the completion of the text that its template writes."""
    template = folder / "template.jinja"
    template.write_text(TEMPLATE)
    text = "system: be brief\nuser: colour of the sea?\nassistant: "
    messages = [{"role": "system", "content": "be brief"},
                {"role": "user", "content": [{"type": "text", "text": "colour of the sea?"}]}]
    settings = dict(model="base", temperature=0, seed=1)
    with quiver.serve(BASE, "--chat-template", template) as address:
        client = openai.OpenAI(base_url=address + "/v1", api_key="none")
        body = json.dumps({"prompt": text, "add_special_tokens": False}).encode()
        asked = urllib.request.Request(address + "/tokenize", body, {"Content-Type": "application/json"})
        ids = json.loads(urllib.request.urlopen(asked).read())["tokens"]
        expected = client.completions.create(prompt=ids, max_tokens=12, **settings).choices[0].text
        chat = client.chat.completions.create(messages=messages, max_completion_tokens=12, logprobs=True, top_logprobs=2,
                                              **settings)
        compare.equal("a chat's text", chat.choices[0].message.content, expected)
        compare.equal("its role and reason", (chat.choices[0].message.role, chat.choices[0].finish_reason),
                      ("assistant", "length"))
        compare.equal("its log-probabilities", [len(t.top_logprobs) for t in chat.choices[0].logprobs.content], [2] * 12)
        chunks = list(client.chat.completions.create(messages=messages, max_completion_tokens=12, stream=True, **settings,
                                                     stream_options={"include_usage": True}))
        compare.equal("a chat's stream", "".join(c.choices[0].delta.content or "" for c in chunks if c.choices), expected)
        compare.equal("its first role", chunks[0].choices[0].delta.role, "assistant")
        compare.equal("its usage", chunks[-1].usage.completion_tokens, 12)
        try:
            client.chat.completions.create(messages=messages, response_format={"type": "json_object"}, **settings)
            compare.equal("a response format that is not there", "accepted", "refused")
        except openai.BadRequestError as error:
            compare.equal("a response format that is not there", error.param, "response_format")


def check_errors(address, compare):
    client = openai.OpenAI(base_url=address + "/v1", api_key="none", max_retries=0)

    def raised(kind, **arguments):
        try:
            client.completions.create(**{"model": "base", "prompt": PROMPT, **arguments})
        except openai.APIStatusError as error:
            return (type(error) is kind, error.param)
        return None

    compare.equal("an unknown model", raised(openai.NotFoundError, model="bas"), (True, "model"))
    compare.equal("too long a text", raised(openai.BadRequestError, max_tokens=10**6), (True, "prompt"))
    compare.equal("a wrong type", raised(openai.BadRequestError, temperature="hot"), (True, "temperature"))
    compare.equal("an unknown field", raised(openai.BadRequestError, extra_body={"max_token": 1}), (True, "max_token"))


def check_keys(quiver, folder, compare):
    keys = folder / "keys"
    keys.write_text("secret\n")
    keys.chmod(0o600)
    with quiver.serve(BASE, "--api-key-file", keys) as address:
        known = openai.OpenAI(base_url=address + "/v1", api_key="secret")
        compare.equal("a known key", [m.id for m in known.models.list()], ["base"])
        try:
            openai.OpenAI(base_url=address + "/v1", api_key="other", max_retries=0).models.list()
            compare.equal("another key", "accepted", "refused")
        except openai.AuthenticationError as error:
            compare.equal("another key", error.code, "invalid_api_key")


def check_many(client, compare, expected):
    texts = [None] * 16

    def ask(i):
        texts[i] = client.completions.create(model="base", prompt=PROMPT, max_tokens=12, temperature=0).choices[0].text

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    compare.equal("16 clients at once", texts, [expected] * 16)


def main():
    options = arguments(__doc__.splitlines()[0])
    quiver, compare = Quiver(options.quiver), Comparisons()
    expected = quiver.run("generate", BASE, "--prompt", PROMPT, "--max-new-tokens", 12, "--out", options.folder / "text")
    expected = (options.folder / "text").read_bytes().decode("utf-8", errors="replace")[:-1]
    with quiver.serve(BASE) as address:
        client = openai.OpenAI(base_url=address + "/v1", api_key="none")
        compare.equal("the list of models", [m.id for m in client.models.list()], ["base"])
        compare.equal("one model", client.models.retrieve("base").owned_by, "quiver")
        check_completions(client, compare, expected)
        check_many(client, compare, expected)
        vectors = client.embeddings.create(model="base", input=["one", "two"])
        compare.equal("embeddings", [len(v.embedding) > 0 for v in vectors.data], [True, True])
        check_errors(address, compare)
    check_chats(quiver, options.folder, compare)
    check_keys(quiver, options.folder, compare)
    compare.finish()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""A security plugin for rashost. Usage: guestbook.py FILE, which has a line NAME:PASSWORD for every guest."""
import base64, hmac, json, sys


def say(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def ask(method, hport, **params):  # a request without an id is carried out and not answered
    say(method=method, params={"hport": hport, **params})


def send(hport, data):
    ask("DialogSend", hport, data=base64.b64encode(data).decode())


def read_line(hport, prompt, mask=b""):
    """Takes keys until Return. What is typed is echoed, or the mask in its place."""
    send(hport, prompt)
    text = b""
    while True:
        ask("DialogReceive", hport, size=1, timeout=0)
        key = yield  # until the ReceiveDone
        if key == b"\r":
            return text
        if b" " <= key <= b"~" and len(text) < 64:
            text += key
            send(hport, mask or key)


def converse(hport):
    verdict = 2  # failure
    for _ in range(3):
        name = yield from read_line(hport, b"Name: ")
        secret = yield from read_line(hport, b"\r\nPassword: ", b"*")
        if name in guests and hmac.compare_digest(guests[name], secret):
            verdict = 1  # success
            break
        send(hport, b"\r\nAccess denied.\r\n")
    ask("DialogComplete", hport, msgid=verdict, error=0, user=name.decode(), domain="")
    yield  # no key comes any more


guests = dict(entry.rstrip(b"\n").split(b":", 1) for entry in open(sys.argv[1], "rb"))
talks = {}  # the conversations by their hport
for message in map(json.loads, sys.stdin):
    method, params = message["method"], message["params"]
    if method == "Hello":
        say(id=message["id"], result={"version": 1, "name": "guestbook", "isolation": "shared"})
    elif method == "SecurityDialogBegin":
        say(id=message["id"], result={"code": 0})
        talks[params["hport"]] = converse(params["hport"])
        next(talks[params["hport"]])
    elif method == "ReceiveDone" and params["code"] == 0:
        talks[params["hport"]].send(base64.b64decode(params["data"]))
    elif method == "SecurityDialogEnd":
        say(id=message["id"], result={"code": 619})  # ERROR_PORT_DISCONNECTED
        del talks[params["hport"]]

"""A service that registers only who signs in, at a real OpenID Connect provider on this machine."""

import base64
import hashlib
import hmac
import html
import http.cookiejar
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from people import run_tests, wait_until
from tmtp_client import TmtpClient

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Provider:
    """oidc-provider, behind a certificate that the programs of this test trust."""

    def __init__(self, world, algorithm):
        self.key, self.certificate = world.path("provider.key"), world.path("provider.pem")
        if not os.path.exists(self.key):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                            "-keyout", self.key, "-out", self.certificate, "-days", "2", "-subj", "/CN=provider",
                            "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        os.environ["SSL_CERT_FILE"] = self.certificate
        # The packages are beside the script: that is where node looks for them.
        folder = f"{TREE}/.deps/oidc"
        assert os.path.isdir(f"{folder}/node_modules"), "run tools/setup: the provider is not there"
        shutil.copy(f"{TREE}/tests/oidc/provider.mjs", folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(["node", f"{folder}/provider.mjs", str(self.port), self.key, self.certificate, algorithm],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.issuer = self.process.stdout.readline().strip()
        assert self.issuer.startswith("https://"), "the provider does not start"

    def flags(self, **changed):
        values = {"issuer": self.issuer, "client": "tmtp", "keys": f"{self.issuer}/jwks", "label": "The Provider",
                  "login": f"{self.issuer}/auth", "login-parameters": "client_id=tmtp&scope=openid",
                  "token": f"{self.issuer}/token", "token-parameters": "", **changed}
        return [f"--sign-in-{name}={value}" for name, value in values.items() if value]

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Browser:
    """Fills in the provider's pages, as somebody would who says to be `name`."""

    def __init__(self, certificate):
        context = ssl.create_default_context(cafile=certificate)
        self.opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context),
                                                  urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def open(self, url, data=None):
        with self.opener.open(url, urllib.parse.urlencode(data).encode() if data else None, timeout=30) as page:
            return page.geturl(), page.read().decode()

    def sign_in(self, url, name):
        """What the last page says, which is kith's."""
        at, page = self.open(url)
        while not at.startswith("http://127.0.0.1"):
            form = re.search(r'<form[^>]*action="([^"]+)"', page)
            prompt = re.search(r'name="prompt" value="([^"]+)"', page)
            assert form and prompt, page[:500]
            fields = {"prompt": prompt[1]}
            if prompt[1] == "login":
                fields.update(login=name, password="any")
            at, page = self.open(urllib.parse.urljoin(at, html.unescape(form[1])), fields)
        return page

    def refuse(self, url):
        at, page = self.open(url)
        abort = re.search(r'href="([^"]+/abort)"', page)
        assert abort, page[:500]
        return self.open(urllib.parse.urljoin(at, html.unescape(abort[1])))[1]


def status_of(url):
    try:
        with urllib.request.urlopen(url, timeout=20) as page:
            return page.status
    except urllib.error.HTTPError as error:
        return error.code


def asked(device, address, alias, *words):
    """`service add`, up to the address that the owner is to open."""
    adding = device.begin("service", "add", address, "--alias", alias, *words)
    event = adding.wait_for("sign_in")
    assert event["label"] == "The Provider", event
    return adding, event["url"]


def register_by_signing_in(world):
    for algorithm in ("RS256", "ES256"):
        provider = Provider(world, algorithm)
        try:
            service = world.service(f"service-{algorithm}", provider.flags())
            device = world.device(f"device-{algorithm}")
            device.run("init")
            adding, url = asked(device, service.address, "the-owner")
            query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
            assert url.startswith(f"{provider.issuer}/auth?") and query["code_challenge_method"] == "S256", url
            back = query["redirect_uri"]
            assert back.startswith("http://127.0.0.1:") and len(query["state"]) == len(query["nonce"]) == 43, query
            world.say("who does not know the state is told nothing, and changes nothing")
            for target in ("", "?code=x", "?code=x&state=y", f"?code=x&state={query['state'][:-1]}", "?error=access_denied", "/../x"):
                assert status_of(back + target) == 404, target
            page = Browser(provider.certificate).sign_in(url, "somebody")
            assert "Signed in" in page, page
            added = adding.next()
            assert adding.finish() == 0 and added["state"] == "online" and added["alias"] == "the-owner", added
            world.say(f"{algorithm}: registered; and who has an account needs no provider any more")
            friend = world.device(f"friend-{algorithm}")
            friend.run("init")
            adding, url = asked(friend, service.address, "the-friend", "--sign-in", "The Provider")
            Browser(provider.certificate).sign_in(url, "another")
            assert adding.next()["alias"] == "the-friend" and adding.finish() == 0
        finally:
            provider.stop()
        service.stop()
        service.start()
        for one in (device, friend):
            one.until("service", "list", like=lambda items: items[0]["state"] == "online")
        friend.run("message", "send", "--to", added["uid"], "--subject", "signed in", "--body", "x")
        wait_until(lambda: device.count("signed in") == 1, "the message")


def a_sign_in_that_does_not_end_well(world):
    provider = Provider(world, "ES256")
    try:
        service = world.service("service", provider.flags())
        device = world.device("device")
        device.run("init")
        world.say("the owner says no")
        adding, url = asked(device, service.address, "the-owner")
        assert "Not signed in" in Browser(provider.certificate).refuse(url)
        assert adding.next() is None and adding.process.wait(20) == 5
        world.say("no such provider")
        error = device.fails(3, "service", "add", service.address, "--alias", "the-owner", "--sign-in", "Another")
        assert "The Provider" in error["message"] and error["hint"], error
        world.say("the command is stopped: nothing listens any more, and it can be run again")
        adding, url = asked(device, service.address, "the-owner")
        back = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))["redirect_uri"]
        adding.close()
        wait_until(lambda: not listens(back), "the end of the listener")
        assert device.run("service", "list") == []
        adding, url = asked(device, service.address, "the-owner")
        world.say("a second one meanwhile is refused; the provider is gone before the token is fetched")
        assert device.fails(5, "service", "add", service.address, "--alias", "the-owner")["message"]
        provider.stop()
        state = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))["state"]
        back = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))["redirect_uri"]
        assert status_of(f"{back}?code=x&state={state}") == 200
        assert adding.next() is None and adding.process.wait(30) == 7
        assert device.run("service", "list") == []
        world.say("a service whose provider is not reached says so to its operator, and registers nobody")
        service.stop()
        service.start()
        wait_until(lambda: "no keys from" in read(service.folder + ".log"), "a word in the log")
    finally:
        if provider.process.poll() is None:
            provider.stop()


def read(path):
    with open(path) as file:
        return file.read()


def a_screen_shows_the_page_by_itself(world):
    provider = Provider(world, "RS256")
    try:
        service = world.service("service", provider.flags())
        device = world.device("device")
        device.run("init")
        shown = world.path("shown")
        opener = world.file("xdg-open", f"#!/bin/sh\nprintf '%s' \"$1\" > {shown}.new && mv {shown}.new {shown}\n")
        os.chmod(opener, 0o755)
        words = [word for word in device.words("service", "add", service.address, "--alias", "the-owner") if word != "--json"]
        screen = {**os.environ, "DISPLAY": ":9", "PATH": f"{world.folder}:{os.environ['PATH']}"}
        adding = subprocess.Popen(words, env=screen, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: os.path.exists(shown), "the browser")
        Browser(provider.certificate).sign_in(read(shown), "somebody")
        out, err = adding.communicate(timeout=30)
        assert adding.returncode == 0 and "The Provider" in out and "Registered at service as the-owner" in out, out + err
    finally:
        provider.stop()


def listens(url):
    at = urllib.parse.urlsplit(url)
    with socket.socket() as line:
        return line.connect_ex((at.hostname, at.port)) == 0


def tokens_that_a_service_refuses(world):
    key = world.path("signer.pem")
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    modulus = subprocess.run(["openssl", "rsa", "-in", key, "-noout", "-modulus"], check=True, capture_output=True, text=True).stdout
    n = bytes.fromhex(modulus.strip().split("=")[1])
    keys = {"keys": [{"kty": "RSA", "kid": "one", "n": base64url(n), "e": "AQAB", "alg": "RS256", "use": "sig"}]}
    issuer = "https://id.example.org"
    values = {"issuer": issuer, "client": "tmtp", "keys": world.file("keys.json", json.dumps(keys)), "label": "The Provider",
              "login": f"{issuer}/auth", "token": f"{issuer}/token"}
    service = world.service("service", [f"--sign-in-{name}={value}" for name, value in values.items()])
    now = int(time.time())
    good = {"iss": issuer, "sub": "somebody", "aud": "tmtp", "iat": now, "exp": now + 600}

    def token(claims=good, head=None, sign=None):
        head = head or {"alg": "RS256", "kid": "one"}
        signed = base64url(json.dumps(head).encode()) + "." + base64url(json.dumps(claims).encode())
        if sign is None:
            signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=signed.encode(), check=True,
                                       capture_output=True).stdout
        else:
            signature = sign(signed.encode())
        return signed + "." + base64url(signature)

    def register(oidc, alias="somebody-new"):
        client = TmtpClient(service.address)
        assert client.site["authby"][0]["label"] == "The Provider" and client.site["auth"] == 1, client.site
        client.send({"op": 1, "newnode": "a node", "newalias": alias, **({"oidc": oidc} if oidc is not None else {})})
        head, _ = client.read()
        client.close()
        return head

    first = token()
    assert register({"id_token": first, "access_token": "not looked at"})["op"] == "registered"
    der = subprocess.run(["openssl", "rsa", "-in", key, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
    pem = subprocess.run(["openssl", "rsa", "-in", key, "-pubout"], check=True, capture_output=True).stdout
    other = world.path("other.pem")
    subprocess.run(["openssl", "genrsa", "-out", other, "2048"], check=True, capture_output=True)

    def by_other(signed):
        return subprocess.run(["openssl", "dgst", "-sha256", "-sign", other], input=signed, check=True, capture_output=True).stdout
    cases = [
        ("none at all", None, "authentication required"),
        ("the same again", {"id_token": first}, "was used before"),
        ("the same in another spelling", {"id_token": first + "="}, "malformed"),
        ("not signed", {"id_token": token(head={"alg": "none"}, sign=lambda _: b"")}, "algorithm"),
        ("not signed, in disguise", {"id_token": token(sign=lambda _: b"")}, "signature"),
        ("another's key", {"id_token": token(sign=by_other)}, "signature"),
        ("another client", {"id_token": token({**good, "aud": "other"})}, "another client"),
        ("several clients", {"id_token": token({**good, "aud": ["tmtp", "other"]})}, "another client"),
        ("made for another", {"id_token": token({**good, "azp": "other"})}, "another client"),
        ("another provider", {"id_token": token({**good, "iss": issuer + "/"})}, "another provider"),
        ("expired", {"id_token": token({**good, "exp": now - 120})}, "expired"),
        ("old", {"id_token": token({**good, "iat": now - 3600})}, "too long ago"),
        ("not yet", {"id_token": token({**good, "iat": now + 600})}, "not valid yet"),
        ("another key's name", {"id_token": token(head={"alg": "RS256", "kid": "two"})}, "not known"),
        ("a critical extension", {"id_token": token(head={"alg": "RS256", "kid": "one", "crit": ["x"]})}, "malformed"),
        ("an array", {"id_token": ["x"]}, "invalid header"),
        ("empty", {"id_token": ""}, "invalid header"),
        ("a text", "x", "invalid header"),
        ("nothing in it", {}, "invalid header"),
        ("no token", {"id_token": "a.b.c"}, "malformed"),
    ]
    for secret in (der, pem, n, b""):
        cases.append(("the public key as a secret",
                      {"id_token": token(head={"alg": "HS256", "kid": "one"}, sign=lambda s: hmac.new(secret, s, hashlib.sha256).digest())},
                      "algorithm"))
    changed = first.split(".")
    changed[1] = base64url(json.dumps({**good, "sub": "somebody else"}).encode())
    cases.append(("changed", {"id_token": ".".join(changed)}, "signature"))
    for what, oidc, why in cases:
        head = register(oidc)
        assert head["op"] == "quit" and why in head["error"], (what, head)
    assert register({"id_token": token({**good, "sub": "else", "iat": now + 30})}, "another-one")["op"] == "registered"
    world.say("its operator hears of no token")
    text = read(service.folder + ".log")
    assert "somebody" not in text and first[:30] not in text, text


run_tests(register_by_signing_in, a_screen_shows_the_page_by_itself, a_sign_in_that_does_not_end_well, tokens_that_a_service_refuses)

"""A running server of the page in this process, with tiny networks, and requests to it."""

import contextlib
import functools
import http.client
import json
import threading
import time

from nst_tf import configs
from nst_tf.networks import multi_style_transfer
from nst_tf.optimisation import transfer
from nst_tf.pictures import images
from nst_tf.serving.page import running, studio
from tests.tiny import tiny_multi_style, tiny_network

PATIENCE_S = 90  # for a machine that has other work
QUICK = {"method": "multi-style", "content": "sample:temple", "style": ["style:1"], "settings": {"max_side_px": 48}}
_OBJECTIVE = {name: value for name, value in tiny_network.SETTINGS.items() if name != "precision"}
LONG = {
    "method": "gatys",
    "content": "sample:temple",
    "style": ["sample:turner"],
    "settings": _OBJECTIVE | {"max_side_px": 48, "steps": 2},
}


def long(**settings):
    """The order of an optimisation on the tiny network."""
    return LONG | {"settings": LONG["settings"] | settings}


@functools.cache
def engines():
    """The tiny networks' engines, traced once for all servers."""
    return {
        "multi-style": multi_style_transfer.MultiStyleTransfer(loaded=tiny_multi_style.loaded()),
        "gatys": transfer.StyleTransfer(configs.preset("default", **_OBJECTIVE), extractor=tiny_network.TinyNetwork()),
    }


def tiny_studio():
    """The page's own studio with tiny networks."""
    return studio.Studio(engines=engines())


@contextlib.contextmanager
def server(work=None, *, port=0, **settings):
    """A server in a thread; gives a `Client`."""
    config = configs.AppConfig(port=port, open=False, **settings)
    with running.listen(config) as listening:
        process = running.Running(config, work or tiny_studio())
        started = threading.Event()
        process.on_start = started.set
        thread = threading.Thread(target=process.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            assert started.wait(PATIENCE_S)
            yield Client(listening.getsockname()[1], config.root_path)
        finally:
            process.should_exit = True
            thread.join(timeout=PATIENCE_S)
    assert not thread.is_alive()


class Client:
    """Requests to a server, and a visit."""

    def __init__(self, port, root_path=""):
        self.port = port
        self.root_path = root_path
        self._visit = None

    @property
    def visit(self):
        """The address of this client's visit."""
        if self._visit is None:
            self._visit = f"/api/visits/{self.json('POST', '/api/visits')['visit']}"
        return self._visit

    def another(self):
        """A client with a visit of its own."""
        return Client(self.port, self.root_path)

    def request(self, method, path, body=None, **headers):
        """Status, headers and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.request(method, f"{self.root_path}{path}", body, headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def json(self, method, path, body=None):
        """The JSON of an answer that must be a good one."""
        status, _, content = self.request(method, path, body)
        assert status in (200, 201), content
        return json.loads(content)

    def refused(self, method, path, body=None):
        """The status and the message of an answer that must be none of the good ones."""
        status, _, content = self.request(method, path, body)
        assert status >= 400, content
        return status, json.loads(content)["error"]

    def upload(self, data, name="photo.png"):
        return self.json("POST", f"{self.visit}/pictures?name={name}", data)

    def order(self, order=QUICK):
        return self.json("POST", f"{self.visit}/jobs", json.dumps(order))

    def job(self, job, wait_s=20):
        return self.json("GET", f"{self.visit}/jobs/{job['id']}?wait={wait_s}")

    def file(self, job, name="result.png"):
        status, _, content = self.request("GET", f"{self.visit}/jobs/{job['id']}/{name}")
        assert status == 200, content
        return content

    def finished(self, job):
        """The job, once it has ended."""
        return until(lambda: (now := self.job(job))["state"] not in ("waiting", "running") and now)


def png(side_px=40, colour=0.5, seed=0):
    """The bytes of a picture."""
    return images.encode(tiny_network.picture(side_px, side_px, seed=seed) * colour, ".png")


def until(condition, timeout_s=PATIENCE_S):
    """What a condition gives once it gives something true."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come true")

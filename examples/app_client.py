"""Has a running `nst-tf app` paint a picture: `python -m examples.app_client photo.jpg out.png` does it."""

import json
import sys
import urllib.request

SERVER = "http://127.0.0.1:7860"


def ask(method, path, body=None):
    request = urllib.request.Request(SERVER + path, data=body, method=method)
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def main(photo, output):
    visit = "/api/visits/" + json.loads(ask("POST", "/api/visits"))["visit"]
    with open(photo, "rb") as file:
        picture = json.loads(ask("POST", f"{visit}/pictures?name=photo.jpg", file.read()))
    order = {"method": "adain", "content": picture["reference"], "style": ["sample:turner"], "settings": {}}
    job = json.loads(ask("POST", f"{visit}/jobs", json.dumps(order).encode()))
    while job["state"] in ("waiting", "running"):
        job = json.loads(ask("GET", f"{visit}/jobs/{job['id']}?wait=20"))
    with open(output, "wb") as file:
        file.write(ask("GET", f"{visit}/jobs/{job['id']}/result.png"))
    ask("DELETE", visit)


if __name__ == "__main__":
    main(*sys.argv[1:])

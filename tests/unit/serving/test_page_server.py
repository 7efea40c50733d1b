"""The page's server: uploads, jobs, visits, and what becomes of them."""

import json
import pathlib
import shutil
import socket
import struct
import tempfile
import threading
import time
import zlib

import pytest

import nst_tf
from nst_tf import configs, errors
from nst_tf.pictures import images
from nst_tf.serving.page import running, visits
from tests.tiny import tiny_page


@pytest.fixture(scope="module")
def client():
    with tiny_page.server(max_upload_mb=1, max_upload_megapixels=0.01, max_waiting=3) as client:
        yield client


@pytest.fixture
def visitor(client):
    """A visit of its own on the shared server."""
    return client.another()


def test_an_upload_becomes_a_picture_of_its_size_in_the_networks_style(visitor):
    upload = visitor.upload(tiny_page.png(40))
    job = visitor.finished(visitor.order(tiny_page.QUICK | {"content": upload["reference"]}))
    assert job["state"] == "done"
    picture = images.load(visitor.file(job))
    assert (picture.width_px, picture.height_px) == (40, 40)
    record = json.loads(visitor.file(job, "result.json"))
    assert record["inputs"][0]["name"] == "photo.png"
    assert record["command"] == job["command"]


def test_the_room_of_a_visit_is_counted_while_its_files_come_and_go(tmp_path):
    visit = visits.Visit(tmp_path, configs.AppConfig())
    has_counted = threading.Event()

    def come_and_go():
        while not has_counted.is_set():
            folders = [visit.new_folder() for _ in range(20)]
            for folder in folders:
                (folder / "result.png").write_bytes(b"picture")
            for folder in folders:
                shutil.rmtree(folder)

    worker = threading.Thread(target=come_and_go)
    worker.start()
    try:
        for _ in range(300):
            visit.check_room()
    finally:
        has_counted.set()
        worker.join()


def test_a_result_is_the_librarys_own(visitor):
    job = visitor.finished(visitor.order())
    engine = tiny_page.engines()["multi-style"]
    engine.reconfigure(nst_tf.MultiStyleConfig(max_side_px=48))
    expected = engine("sample:temple", "style:1").image
    assert images.encode(expected, ".png") == visitor.file(job)


def test_an_optimisation_reports_its_losses_and_shows_a_picture(visitor):
    job = visitor.finished(visitor.order(tiny_page.long(steps=3)))
    assert job["state"] == "done"
    assert (job["step"], job["steps"], job["steps_done"]) == (3, 3, 3)
    assert job["losses"][-1][0] == 3
    assert job["preview"] >= 1


def test_a_cancelled_optimisation_keeps_its_picture(visitor):
    job = visitor.order(tiny_page.long(steps=100_000))
    tiny_page.until(lambda: visitor.job(job, 0).get("preview"))
    visitor.json("POST", f"{visitor.visit}/jobs/{job['id']}/cancel")
    job = visitor.finished(job)
    assert (job["state"], job["stopped_early"]) == ("done", True)
    assert images.load(visitor.file(job)).width_px == 48


def test_a_quick_job_does_not_wait_for_an_optimisation_and_a_waiting_one_knows_its_place(visitor):
    first, second = (visitor.order(tiny_page.long(steps=100_000)) for _ in range(2))
    tiny_page.until(lambda: visitor.job(first, 0).get("preview"))
    quick = visitor.finished(visitor.order())
    assert quick["state"] == "done"
    assert visitor.job(first, 0)["state"] == "running"
    assert (visitor.job(second, 0)["state"], visitor.job(second, 0)["place"]) == ("waiting", 1)
    for job in (second, first):
        visitor.json("POST", f"{visitor.visit}/jobs/{job['id']}/cancel")
    assert visitor.finished(second)["state"] == "cancelled"
    assert visitor.finished(first)["state"] == "done"


def test_a_job_that_fails_says_why_and_the_next_one_works(visitor):
    upload = visitor.upload(tiny_page.png(20))
    job = visitor.finished(visitor.order(tiny_page.QUICK | {"content": upload["reference"]}))
    assert job["state"] == "failed"
    assert "the shorter side must be at least 32 px" in job["error"]
    assert visitor.finished(visitor.order())["state"] == "done"


def test_more_waiting_jobs_than_a_visit_may_have_are_refused(visitor):
    jobs = [visitor.order(tiny_page.long(steps=100_000)) for _ in range(3)]
    status, error = visitor.refused("POST", f"{visitor.visit}/jobs", json.dumps(tiny_page.QUICK))
    assert (status, "3 pictures on their way" in error) == (429, True)
    for job in reversed(jobs):
        visitor.json("POST", f"{visitor.visit}/jobs/{job['id']}/cancel")


def test_a_mistake_in_an_order_is_answered_with_the_programs_own_message(visitor):
    order = json.dumps(tiny_page.QUICK | {"settings": {"max_side_px": 1}})
    status, error = visitor.refused("POST", f"{visitor.visit}/jobs", order)
    assert (status, error) == (422, "max_side_px (--size) must be at least 32. Received: 1.")


@pytest.mark.parametrize("body", ["", "{", "[" * 20_000, "null", '{"content": 3}'])
def test_an_order_that_is_none_is_refused(visitor, body):
    assert visitor.refused("POST", f"{visitor.visit}/jobs", body)[0] == 422


def test_a_file_that_is_no_picture_is_refused_with_the_librarys_message(visitor):
    status, error = visitor.refused("POST", f"{visitor.visit}/pictures?name=notes.jpg", b"no picture")
    assert status == 422
    assert error.startswith("notes.jpg: a picture must be one of JPEG")


def test_a_large_picture_is_refused_by_its_header(visitor):
    header = struct.pack(">II", 200, 100) + b"\x08\x02\0\0\0"
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", b"never decoded"))
    )
    status, error = visitor.refused("POST", f"{visitor.visit}/pictures", bomb)
    assert status == 422
    assert "0.01 million pixels here. Received: 200 x 100 px" in error


def test_a_large_file_is_refused_before_it_is_read(visitor):
    status, error = visitor.refused("POST", f"{visitor.visit}/pictures", b"x" * (2**20 + 1))
    assert (status, "may have 1 MB" in error) == (413, True)


def test_a_large_file_of_unsaid_length_is_refused_where_it_becomes_too_large(visitor):
    pieces = (b"x" * 2**18 for _ in range(5))
    status, error = visitor.refused("POST", f"{visitor.visit}/pictures", pieces)
    assert (status, "may have 1 MB" in error) == (413, True)


def test_an_upload_is_turned_upright(visitor):
    from PIL import Image

    picture = Image.new("RGB", (40, 50))
    exif = picture.getexif()
    exif[0x0112] = 6
    with tempfile.TemporaryFile() as file:
        picture.save(file, "JPEG", exif=exif)
        file.seek(0)
        upload = visitor.upload(file.read(), "photo.jpg")
    assert (upload["width_px"], upload["height_px"]) == (50, 40)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("..", "picture"),
        ("C:\\photos\\me.png", "me.png"),
        ("a,b;$(rm).png", "a_b_(rm).png"),
        (".hidden", "hidden"),
        ("", "picture"),
        ("x" * 300 + ".jpeg", "x" * 52 + ".jpeg"),
        ("sample:temple", "sample_temple"),
    ],
)
def test_a_name_from_outside_becomes_no_path(name, kept):
    assert visits.safe_name(name) == kept


@pytest.mark.parametrize("name", ["..%2f..%2fevil.png", "%2fetc%2fpasswd", "..%5cevil.png"])
def test_files_of_an_upload_lie_in_their_visits_folder_alone(visitor, name):
    def files():
        return {
            path
            for path in pathlib.Path(tempfile.gettempdir()).rglob("*")
            if "evil" in path.name or "passwd" in path.name
        }

    upload = visitor.upload(tiny_page.png(), name)
    assert not files()
    assert "/" not in upload["name"]


@pytest.mark.parametrize(
    "path",
    ["/../setup.cfg", "/..%2f..%2fsetup.cfg", "/api/samples/..%2ftemple/view.jpg", "/api/samples/temple/..%2flock",
     "/api/visits/..%2f..%2f/pictures/a/original", "/page.css/../server.py"],
)  # fmt: skip
def test_a_path_that_climbs_leads_nowhere(client, path):
    status, _, _ = client.request("GET", path)
    assert status in (404, 405)


def test_two_visits_never_see_each_others_pictures(client):
    one, other = client.another(), client.another()
    upload, job = one.upload(tiny_page.png()), one.finished(one.order())
    assert other.refused("GET", f"{other.visit}/pictures/{upload['id']}/original")[0] == 404
    assert other.refused("GET", f"{other.visit}/jobs/{job['id']}/result.png")[0] == 404
    order = json.dumps(tiny_page.QUICK | {"content": upload["reference"]})
    assert other.refused("POST", f"{other.visit}/jobs", order)[0] == 404
    assert other.json("GET", other.visit) == {"pictures": [], "jobs": []}


def test_visits_at_the_same_time_get_the_pictures_they_asked_for(client):
    visitors = [client.another() for _ in range(4)]
    uploads = [visitor.upload(tiny_page.png(36 + 2 * n, seed=n)) for n, visitor in enumerate(visitors)]
    orders = [
        visitor.order(tiny_page.QUICK | {"content": upload["reference"]})
        for visitor, upload in zip(visitors, uploads, strict=True)
    ]
    engine = tiny_page.engines()["multi-style"]
    engine.reconfigure(nst_tf.MultiStyleConfig(max_side_px=48))
    for n, (visitor, order) in enumerate(zip(visitors, orders, strict=True)):
        content = images.load(tiny_page.png(36 + 2 * n, seed=n))
        assert visitor.file(visitor.finished(order)) == images.encode(engine(content, "style:1").image, ".png")


def test_a_visit_that_ends_takes_its_files_along(visitor):
    visitor.upload(tiny_page.png(33))
    visitor.finished(visitor.order())
    before = set(pathlib.Path(tempfile.gettempdir()).glob("nst-tf-app-*/visit-*"))
    assert visitor.request("DELETE", visitor.visit)[0] == 204
    gone = before - set(pathlib.Path(tempfile.gettempdir()).glob("nst-tf-app-*/visit-*"))
    assert len(gone) == 1
    assert visitor.refused("GET", visitor.visit)[0] == 404


def test_a_visit_that_ends_while_its_picture_is_made_leaves_no_files(visitor, client):
    job = visitor.order(tiny_page.long(steps=100_000))
    tiny_page.until(lambda: visitor.job(job, 0).get("preview"))
    before = set(pathlib.Path(tempfile.gettempdir()).glob("nst-tf-app-*/visit-*"))
    visitor.request("DELETE", visitor.visit)
    other = client.another()
    assert other.finished(other.order(tiny_page.long()))["state"] == "done"  # the worker is through with the first
    after = set(pathlib.Path(tempfile.gettempdir()).glob("nst-tf-app-*/visit-*"))
    assert len(before - after) == len(after - before) == 1


def test_a_closed_page_cancels_its_jobs_and_later_loses_its_files(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with tiny_page.server(cancel_after_s=0.2, keep_s=4) as client:
        events = stream(client)
        client.order(tiny_page.long(steps=100_000))
        tiny_page.until(lambda: b'"preview": 1' in events.readline())
        time.sleep(1.5)  # as long as the page is open, nothing ends
        assert b'"state": "running"' in next(line for line in events if line.startswith(b"data: "))
        folder = next(tmp_path.glob("nst-tf-app-*/visit-*"))
        events.close()
        tiny_page.until(lambda: [*folder.glob("job-*/thumb.jpg")])  # the picture so far; to ask would keep the visit
        tiny_page.until(lambda: not folder.exists())
        assert client.refused("GET", client.visit)[0] == 404


def test_a_server_that_ends_leaves_no_files_and_removes_those_of_a_killed_one(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed = tmp_path / "nst-tf-app-killed"
    killed.mkdir()
    (killed / "lock").touch()
    with tiny_page.server() as client:
        client.upload(tiny_page.png())
        assert not killed.exists()
        with tiny_page.server() as beside:
            beside.upload(tiny_page.png())
            assert len(list(tmp_path.glob("nst-tf-app-*/visit-*"))) == 2
    assert not list(tmp_path.iterdir())


def test_a_port_that_is_taken_is_an_error_with_another_to_take(client):
    with pytest.raises(errors.ServingError, match="--port=0 for any free one"):
        running.listen(configs.AppConfig(port=client.port))


def test_a_page_under_a_path_is_found_whether_the_proxy_takes_it_off_or_not():
    with tiny_page.server(root_path="/art") as client:
        assert client.request("GET", "/health")[0] == 200
        client.root_path = ""
        assert client.request("GET", "/health")[0] == 200
        assert client.request("GET", "/art")[:1] == (307,)


def test_a_foreign_origin_or_host_is_refused_by_the_running_server(client):
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        status, answered, _ = client.request("POST", "/api/visits", **headers)
        assert status == 403
        assert "access-control-allow-origin" not in answered
    assert client.request("GET", "/")[1]["content-security-policy"].startswith("default-src 'none'")


def stream(client):
    """The open stream of a visit's events."""
    connection = socket.create_connection(("127.0.0.1", client.port))
    connection.sendall(f"GET {client.visit}/events HTTP/1.1\r\nHost: localhost:{client.port}\r\n\r\n".encode())
    file = connection.makefile("rb")
    connection.close()  # the file keeps it open
    while file.readline().strip():
        pass  # the headers
    file.readline()  # the length of the first chunk
    return file

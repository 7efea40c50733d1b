"""The page of `nst-tf app` in a real browser, with the real program behind it."""

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import time
import urllib.request

import pytest

from nst_tf.pictures import images
from tests.system import command_line
from tests.tiny import tiny_network, tiny_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE_MS = 1000 * tiny_page.PATIENCE_S
SERIOUS = ("serious", "critical")

pytestmark = [
    pytest.mark.weights,
    pytest.mark.skipif(CHROMIUM is None, reason="no browser: install Debian's chromium (apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def program():
    """The running program, with the address that it prints."""
    program = command_line.start("app", "--no-open", "--port=0", "--cancel_after_s=1")
    for line in program.stderr:
        if found := re.search(r"the page is at (\S+)", line):
            break
    program.address = found.group(1)
    yield program
    program.send_signal(signal.SIGINT)
    _, rest = program.communicate(timeout=tiny_page.PATIENCE_S)
    assert program.returncode == 0, rest
    assert "Traceback" not in rest


@pytest.fixture(scope="module")
def address(program):
    return program.address


@pytest.fixture(scope="module")
def browser():
    from playwright import sync_api

    with sync_api.sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=[*flags, "--disable-dev-shm-usage"])
        yield launched
        launched.close()


class Visitor:
    """A browser window of somebody."""

    def __init__(self, browser, address, *, width=1440, height=900, theme="light"):
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.requests = []
        self.faults = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.goto(address)
        self.page.locator("main:not([inert])").wait_for()

    def close(self):
        assert not self.faults
        self.page.context.close()

    def wait_for_picture(self):
        """Waits until the newest picture is there to be saved."""
        self.page.locator("#png").wait_for()
        self.page.locator("#after[src*='result.jpg']").wait_for()

    def upload(self, data, name="holiday.png"):
        self.page.set_input_files("#photograph-file", {"name": name, "mimeType": "image/png", "buffer": data})

    def natural_size(self):
        """The width and the height, in pixels, of the newest picture once the browser has it."""
        return self.page.evaluate(
            """async () => {
                const picture = document.querySelector("#after");
                await picture.decode();
                return [picture.naturalWidth, picture.naturalHeight];
            }"""
        )

    def fetch(self, selector):
        """The file that a link of the page saves."""
        return self.page.evaluate(
            "async (at) => [...new Uint8Array(await (await fetch(document.querySelector(at).href)).arrayBuffer())]",
            selector,
        )

    def choose_properly(self, **settings):
        """Chooses the slow method, with few pairs in the optimiser's memory, each of which takes time to trace."""
        settings.setdefault("lbfgs_memory", 2)
        self.page.get_by_label("Properly").check()
        self.page.get_by_text("Every setting").click()
        for flag, value in settings.items():
            self.page.get_by_label(f"--{flag}", exact=True).fill(str(value))
            self.page.get_by_label(f"--{flag}", exact=True).press("Tab")

    def violations(self):
        return violations(self.page)


def violations(page):
    """What axe-core finds of serious faults in a page."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in SERIOUS]


@pytest.fixture
def visit(browser, address):
    visitors = []

    def open_window(**about):
        visitors.append(Visitor(browser, address, **about))
        return visitors[-1]

    yield open_window
    for visitor in visitors:
        visitor.close()


def picture(height=64, width=80, seed=0):
    return images.encode(tiny_network.picture(height, width, seed=seed), ".png")


def test_the_page_shows_a_picture_and_every_learned_style_by_itself_and_asks_nobody_else(visit, address):
    visitor = visit()
    visitor.wait_for_picture()
    visitor.page.locator("#wall li:nth-child(8) img").wait_for()
    assert visitor.page.locator("#wall img").count() == 8
    assert visitor.natural_size() == [512, 342]
    assert all(url.startswith((address, "data:", "blob:")) for url in visitor.requests)


def test_a_visitors_own_photograph_becomes_a_picture_to_save_with_its_command(visit):
    visitor = visit()
    visitor.upload(picture(), "my holiday.png")
    visitor.page.get_by_text("my holiday.png in the style of").wait_for()
    visitor.wait_for_picture()
    assert visitor.natural_size() == [80, 64]
    saved = images.load(bytes(visitor.fetch("#png")))
    assert (saved.width_px, saved.height_px) == (80, 64)
    assert images.load(bytes(visitor.fetch("#jpeg"))).width_px == 80
    record = json.loads(bytes(visitor.fetch("#record")))
    visitor.page.get_by_text("Repeat it on the command line").click()
    command = visitor.page.locator("#command").inner_text()
    assert command == record["command"]
    assert command == (
        "nst-tf stylize '--content=my holiday.png' --style=style:great-wave --method=multi-style "
        "'--output=my holiday-great-wave.png'"
    )


def test_a_picture_that_is_done_before_its_order_is_answered_is_shown(visit, address):
    visitor = visit()
    visitor.wait_for_picture()

    def answered_late(route):
        answer = route.fetch()
        at = route.request.url.removeprefix(address)
        tiny_page.until(lambda: get(f"{address}{at}/{answer.json()['id']}")["state"] == "done")
        time.sleep(0.5)  # in which the page hears of it
        route.fulfill(response=answer)

    visitor.page.route("**/jobs", answered_late, times=1)
    visitor.upload(picture(), "early.png")
    visitor.page.get_by_text("early.png in the style of").wait_for()


def test_an_optimisation_shows_its_picture_as_it_grows_and_cancel_keeps_it(visit):
    visitor = visit()
    visitor.choose_properly(size=64, steps=5000)
    visitor.page.get_by_role("button", name="Paint it properly").click()
    visitor.page.get_by_role("button", name="Stop and keep this picture").wait_for()
    visitor.page.locator("#after[src*='preview.jpg']").wait_for()
    visitor.page.get_by_text(re.compile(r"Step \d+ of 5000 · .* left")).wait_for()
    visitor.page.get_by_text("How far the picture is from its goal").wait_for()
    visitor.page.get_by_role("button", name="Stop and keep this picture").click()
    visitor.page.get_by_text("stopped after").wait_for()
    visitor.wait_for_picture()
    assert visitor.natural_size() == [64, 43]
    visitor.page.reload()  # the visit's pictures are still there
    visitor.page.locator("#history img").nth(1).wait_for()
    visitor.page.get_by_text("stopped after").wait_for()


def test_every_setting_of_the_method_is_offered_and_again_brings_those_of_a_picture_back(visit, address):
    visitor = visit()
    visitor.choose_properly(size=64, steps=2)
    settings = get(f"{address}api/settings")["methods"]["gatys"]["settings"]
    for setting in settings:
        if setting["name"] != "style_blend":  # the shares of the paintings that were chosen
            assert visitor.page.get_by_label(f"--{setting['flag']}", exact=True).count() == 1
    visitor.page.get_by_role("button", name="Paint it properly").click()
    visitor.page.get_by_role("button", name="Paint it once more").wait_for()
    visitor.wait_for_picture()
    visitor.page.get_by_text("Repeat it on the command line").click()
    command = visitor.page.locator("#command").inner_text().split()
    assert {"--size=64", "--steps=2", "--lbfgs_memory=2"} <= {*command}
    visitor.page.get_by_label("At once").check()
    visitor.page.get_by_role("button", name="Cat", exact=False).first.click()
    visitor.page.locator("#history button").last.click()
    visitor.page.locator("#history button", has_text="properly").click()
    visitor.page.get_by_role("button", name="Again with these settings").click()
    assert visitor.page.get_by_label("--steps", exact=True).input_value() == "2"
    assert "Pagoda" in visitor.page.locator("#photographs [aria-pressed=true] img").get_attribute("alt")


def test_a_file_that_is_no_picture_is_answered_with_the_programs_message(visit):
    visitor = visit()
    visitor.upload(b"no picture", "notes.jpg")
    alert = visitor.page.get_by_role("alert")
    alert.get_by_text("notes.jpg: a picture must be one of JPEG, PNG").wait_for()
    alert.get_by_role("button", name="Close").click()
    assert alert.is_hidden()


def test_two_visitors_at_once_get_their_own_pictures(visit):
    visitors = [visit(), visit()]
    for number, visitor in enumerate(visitors):
        visitor.upload(picture(64, 80 + 16 * number, seed=number), f"photo-{number}.png")
    for number, visitor in enumerate(visitors):
        visitor.page.get_by_text(f"photo-{number}.png in the style of").wait_for()
        visitor.wait_for_picture()
        assert visitor.natural_size() == [80 + 16 * number, 64]
        names = visitor.page.locator("#photographs img").evaluate_all("images => images.map((one) => one.alt)")
        assert [name for name in names if name.startswith("photo-")] == [f"photo-{number}.png (chosen)"]


def test_the_whole_way_can_be_gone_by_keyboard(visit):
    visitor = visit()
    visitor.wait_for_picture()
    page = visitor.page

    def go_to(selector):
        for _ in range(120):
            page.keyboard.press("Tab")
            if page.evaluate("(at) => document.activeElement.matches(at)", selector):
                return
        raise AssertionError(f"{selector} is not reached by the tabulator")

    go_to("[data-reference='sample:cat']")
    page.keyboard.press("Enter")
    go_to("[data-reference='sample:turner']")
    page.keyboard.press("Space")
    page.get_by_text("Chelsea the cat in the style of Venice").wait_for()
    visitor.wait_for_picture()
    go_to("#divide")
    page.keyboard.press("End")
    assert page.locator("#divide").input_value() == "100"
    go_to("#masks-open")
    page.keyboard.press("Enter")
    go_to("#easel")
    for key in ("ArrowRight", "ArrowRight", "Space"):
        page.keyboard.press(key)
    go_to("#masks-done")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Change the mask").wait_for()
    visitor.wait_for_picture()
    page.locator("#command", has_text="--style_masks=mask-1.png").wait_for(state="attached")


def test_a_picture_is_taken_by_drop_and_by_paste(visit):
    visitor = visit()
    for way in ("drop", "paste"):
        visitor.page.evaluate(
            """([bytes, way]) => {
                const data = new DataTransfer();
                data.items.add(new File([new Uint8Array(bytes)], `${way}.png`, { type: "image/png" }));
                const event = way === "drop" ? new DragEvent("drop", { dataTransfer: data, bubbles: true })
                    : new ClipboardEvent("paste", { clipboardData: data, bubbles: true });
                document.querySelector("#photograph").dispatchEvent(event);
            }""",
            [list(picture()), way],
        )
        visitor.page.get_by_text(f"{way}.png in the style of").wait_for()


def test_a_closed_tab_cancels_its_job(address, browser):
    visitor = Visitor(browser, address)
    visitor.choose_properly(size=64, steps=100_000)
    visitor.page.get_by_role("button", name="Paint it properly").click()
    visitor.page.get_by_role("button", name="Stop and keep this picture").wait_for()
    at = f"{address}api/visits/{visitor.page.evaluate('sessionStorage.visit')}"
    (job,) = [job for job in get(at)["jobs"] if job["method"] == "gatys"]
    assert job["state"] == "running"
    visitor.close()

    def has_ended():
        time.sleep(2)  # longer than cancel_after_s: whoever asks keeps the visit alive
        return get(f"{at}/jobs/{job['id']}")["state"] == "done"

    tiny_page.until(has_ended)


@pytest.mark.parametrize(
    ("width", "theme"),
    [
        (1440, "light"),
        (390, "dark"),
        pytest.param(390, "light", marks=pytest.mark.slow),  # each width and each theme is among the two above
        pytest.param(1440, "dark", marks=pytest.mark.slow),
    ],
)
def test_no_state_of_the_page_has_a_serious_fault_of_accessibility(visit, width, theme):
    visitor = visit(width=width, theme=theme)
    visitor.wait_for_picture()
    visitor.page.get_by_text("Repeat it on the command line").click()
    found = visitor.violations()
    visitor.page.get_by_label("Properly").check()
    visitor.page.get_by_text("Every setting").click()
    found += visitor.violations()
    visitor.upload(b"no picture")
    visitor.page.locator("#error").wait_for()
    visitor.page.get_by_label("At once").check()
    visitor.page.get_by_role("button", name="Draw a mask").click()
    found += visitor.violations()
    assert not found
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_check_of_accessibility_finds_a_button_without_a_name(browser):
    page = browser.new_page()
    page.set_content("<main><button></button></main>")
    assert any(one.startswith("button-name") for one in violations(page))
    page.close()


def test_a_page_under_a_path_survives_its_server(browser):
    with tiny_page.server(root_path="/art") as client:
        visitor = Visitor(browser, f"http://127.0.0.1:{client.port}/art/")
        visitor.upload(picture(), "mine.png")
        visitor.page.locator("#photographs img[alt^='mine.png']").wait_for()
    with tiny_page.server(port=client.port, root_path="/art"):
        visitor.page.get_by_role("alert").get_by_text("The server was started anew").wait_for()
        assert visitor.page.locator("#photographs img[alt^='mine.png']").count() == 0
        visitor.upload(picture(), "again.png")
        visitor.page.locator("#photographs img[alt^='again.png']").wait_for()
        visitor.close()


def get(url):
    with urllib.request.urlopen(url, timeout=tiny_page.PATIENCE_S) as answer:
        return json.loads(answer.read())


def test_the_command_that_is_shown_makes_the_same_picture(commands, address, tmp_path):
    client = tiny_page.Client(int(re.search(r":(\d+)/", address).group(1)))
    upload = client.upload(picture(), "my%20photo.png")
    order = {"method": "multi-style", "content": upload["reference"], "style": ["style:redon", "style:ejiri"]}
    job = client.finished(client.order(order | {"settings": {"style_blend": [0.7, 0.3], "strength": 0.8}}))
    (tmp_path / "my photo.png").write_bytes(picture())
    code, _, stderr = commands.run(*shlex.split(job["command"])[1:], folder=tmp_path)
    assert code == 0, stderr
    assert (tmp_path / job["file_name"]).read_bytes() == client.file(job)


def test_the_example_client_has_a_picture_painted(address, tmp_path):
    program = (command_line.ROOT / "examples" / "app_client.py").read_text()
    assert 'SERVER = "http://127.0.0.1:7860"' in program
    (tmp_path / "client.py").write_text(program.replace("http://127.0.0.1:7860", address.rstrip("/")))
    (tmp_path / "photo.png").write_bytes(picture())
    code, _, stderr = command_line.run("photo.png", "out.png", module="client", cwd=tmp_path)
    assert code == 0, stderr
    assert images.load(tmp_path / "out.png").width_px == 80


@pytest.mark.slow
def test_memory_stays_flat_over_two_hundred_jobs(program):
    client = tiny_page.Client(int(re.search(r":(\d+)/", program.address).group(1)))
    uploads = [client.upload(picture(64 + 16 * n, 96)) for n in range(4)]
    learned = {"method": "multi-style", "style": ["style:redon"]}
    methods = (
        learned,
        {"method": "adain", "style": ["sample:turner"]},
        {"method": "recolour", "style": ["sample:cat"]},
    )

    def run(jobs):
        for number in range(jobs):
            order = methods[number % 3] | {"content": uploads[number % 4]["reference"]}
            job = client.finished(client.order(order))
            assert job["state"] == "done", job
            client.request("DELETE", f"{client.visit}/jobs/{job['id']}")
        status = pathlib.Path(f"/proc/{program.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024  # MB

    before = run(40)  # every graph is traced, every pool has grown
    assert run(200) - before < 60

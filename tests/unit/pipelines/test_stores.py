"""Object stores: a real S3 server in a process of its own, and Beam's filesystem for local files."""

import glob
import json

import numpy as np
import pytest

pytest.importorskip("apache_beam", reason="needs the extra [beam]")
pytest.importorskip("moto", reason="needs the extra [test]")

from nst_tf import configs, errors
from nst_tf.networks import adain
from nst_tf.pictures import images
from nst_tf.pipelines import batch, jobs, runners, stores
from tests import s3_server
from tests.tiny import tiny_adain, tiny_network

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # Beam's and boto's
NAMES = ["a.png", "below/b.png", "below/deep/c.png", ".hidden/d.png", "below/.e.png", "below/f.txt", "g[1].png"]
PATTERNS = [
    "**/*.png",
    "**",
    "*",
    "*.png",
    "below/*",
    "below/**",
    "**/deep/*",
    "?.png",
    "[ab].png",
    "*/*/*.png",
    "a.png",
]


@pytest.fixture(scope="module")
def server():
    with s3_server.running() as (address, _), pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.CREDENTIALS.items():
            patch.setenv(name, value)
        yield address


@pytest.fixture(scope="module")
def any_client(server):
    client = s3_server.client(server)
    for bucket in ("bucket", "names"):
        client.create_bucket(Bucket=bucket)
    return client


@pytest.fixture
def client(any_client):
    """A client of the server, whose bucket is empty."""
    yield any_client
    for item in any_client.list_objects_v2(Bucket="bucket").get("Contents", []):
        any_client.delete_object(Bucket="bucket", Key=item["Key"])


@pytest.fixture
def arguments(server):
    arguments = [f"--s3_endpoint_url={server}"]
    stores.use(runners.options(arguments))
    return arguments


def keys(client, prefix=""):
    return sorted(item["Key"] for item in client.list_objects_v2(Bucket="bucket", Prefix=prefix).get("Contents", []))


def body(client, key):
    return client.get_object(Bucket="bucket", Key=key)["Body"].read()


def png(seed, height=20, width=30):
    return images.encode(tiny_network.picture(height, width, seed=seed), ".png")


@pytest.fixture
def job(client, arguments, monkeypatch):
    """Five photographs, one of them broken, and a style, all in the bucket; describes a job on them."""
    monkeypatch.setattr(adain, "load", lambda **_: adain.Loaded(tiny_adain.network(), "float32", {}))
    for number in range(4):
        client.put_object(Bucket="bucket", Key=f"photos/{'below/' * (number % 2)}{number}.png", Body=png(number))
    client.put_object(Bucket="bucket", Key="photos/bad.png", Body=b"no picture")
    client.put_object(Bucket="bucket", Key="style.png", Body=png(9, 16, 16))

    def describe(output_dir="s3://bucket/out", **settings):
        config = configs.BatchConfig(**{"max_side_px": 32, "batch_size": 2} | settings)
        styles = [] if config.bundle else ["s3://bucket/style.png"]
        return jobs.describe(["s3://bucket/photos/**/*.png"], styles, output_dir, config, arguments)

    return describe


def test_a_job_reads_each_picture_once_and_a_second_run_writes_nothing(client, job, arguments, monkeypatch):
    read, opened = stores.read, []
    monkeypatch.setattr(stores, "read", lambda path, *args: opened.append(path) or read(path, *args))
    assert batch.run(job(), arguments)[:4] == (4, 0, 0, 1)
    photos = [path for path in opened if "/photos/" in path]
    assert len(photos) == len(set(photos)) == 5
    written = keys(client, "out/")
    assert [key[:6] for key in written] == ["out/0-", "out/1-", "out/2-", "out/3-", "out/fa"]
    network = tiny_adain.network()
    style = network.style_moments(images.load(png(9, 16, 16)).pixels)
    for number, key in enumerate(written[:4]):
        expected = network.apply(images.load(png(number)).pixels, style)
        np.testing.assert_allclose(images.load(body(client, key)).pixels, expected, atol=1.01 / 255)
    (failure,) = [json.loads(line) for line in body(client, "out/failed.jsonl").splitlines()]
    assert failure["input"] == "s3://bucket/photos/bad.png"
    before = {key: client.head_object(Bucket="bucket", Key=key)["LastModified"] for key in written[:4]}
    client.delete_object(Bucket="bucket", Key="photos/bad.png")
    assert batch.run(job(), arguments)[:4] == (0, 4, 0, 0)
    assert keys(client, "out/") == written[:4]  # failed.jsonl is gone
    assert before == {key: client.head_object(Bucket="bucket", Key=key)["LastModified"] for key in before}


@pytest.mark.slow  # the way out of a bucket and the way to a local folder have tests of their own
def test_pictures_in_a_bucket_may_have_their_results_here(client, job, arguments, tmp_path):
    assert batch.run(job(str(tmp_path / "out")), arguments)[:4] == (4, 0, 0, 1)
    assert len(list((tmp_path / "out").glob("*.png"))) == 4


@pytest.mark.slow  # half a minute; the shorter form has pictures in the bucket
def test_a_bundle_may_lie_in_a_bucket(client, job, arguments, tmp_path):
    pytest.importorskip("tensorflow_serving", reason="needs the extra [serving]")
    from tests.tiny import tiny_bundle

    version = tiny_bundle.export_adain(tmp_path / "painting", tiny_network.picture(16, 16, seed=9))
    for path in version.rglob("*"):
        if path.is_file():
            key = f"models/painting/1/{path.relative_to(version)}"
            client.put_object(Bucket="bucket", Key=key, Body=path.read_bytes())
    described = job(bundle="s3://bucket/models/painting/1")
    assert batch.run(described, arguments)[:4] == (4, 0, 0, 1)
    client.put_object(Bucket="bucket", Key="models/painting/1/saved_model.pb", Body=b"other")
    with pytest.raises(errors.ExportError, match="the file must be the one that was exported"):
        job(bundle="s3://bucket/models/painting/1")


@pytest.fixture(scope="module")
def names(any_client, tmp_path_factory):
    """A folder whose files lie in the bucket `names` as well."""
    folder = tmp_path_factory.mktemp("names")
    for name in NAMES:
        any_client.put_object(Bucket="names", Key=f"p/{name}", Body=b"1")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"1")
    return folder


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_mean_what_they_mean_here(names, arguments, pattern):
    here = [path for path in names.glob("**/*") if path.is_file()]
    expected = {path for path in glob.glob(f"{names}/{pattern}", recursive=True) if path in map(str, here)}
    found = {path.replace("s3://names/p", str(names)) for path in stores.match(f"s3://names/p/{pattern}")}
    assert found == expected
    assert set(stores.match(f"{names}/{pattern}")) == expected  # Beam's filesystem for local files


def test_beams_local_filesystem_reads_writes_and_removes(tmp_path):
    path = str(tmp_path / "new" / "a.bin")
    stores.check_writable(str(tmp_path / "new"))
    for data in (b"first", b"second"):
        stores.write(path, data)
        assert stores.read(path) == data
    assert [item.name for item in (tmp_path / "new").iterdir()] == ["a.bin"]
    stores.remove(path)
    stores.remove(path)
    assert not stores.exists(path)


def test_a_write_that_breaks_off_leaves_nothing(client, arguments, monkeypatch):
    from apache_beam.io.aws import s3io

    monkeypatch.setattr(s3io.S3IO, "rename_files", lambda *_: [("a", "b", OSError("the network is gone"))])
    with pytest.raises(errors.OutputError, match=r"^s3://bucket/out/a\.png: .*Received: the network is gone"):
        stores.write("s3://bucket/out/a.png", b"1234")
    assert keys(client, "out/") == []


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"output_dir": "s3://missing/out"}, errors.OutputError, "s3://missing/out/.*must be writable"),
        ({"output_dir": "foo://bucket/out"}, errors.OutputError, r"scheme foo, .*pip install 'apache-beam\[aws\]'"),
        ({"suffix": ".xyz"}, errors.OutputError, ".xyz"),
        ({"bundle": "s3://bucket/none/1"}, errors.ExportError, "a bundle must have files"),
    ],
)
def test_what_a_store_refuses_is_met_before_work_in_one_line(client, job, change, error, words):
    with pytest.raises(error, match=words) as caught:
        job(**change)
    assert "\n" not in errors.one_line(caught.value)
    assert keys(client, "out/") == []


@pytest.mark.slow  # a second server
def test_a_store_that_is_gone_meanwhile_fails_the_run_and_not_the_counts(monkeypatch):
    for name, value in s3_server.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    from apache_beam.utils import retry

    monkeypatch.setattr(adain, "load", lambda **_: adain.Loaded(tiny_adain.network(), "float32", {}))
    monkeypatch.setattr(retry.Clock, "sleep", lambda self, seconds: None)  # Beam tries for minutes
    with s3_server.running() as (address, process):
        client = s3_server.client(address)
        client.create_bucket(Bucket="bucket")
        client.put_object(Bucket="bucket", Key="photo.png", Body=png(1))
        arguments = [f"--s3_endpoint_url={address}"]
        stores.use(runners.options(arguments))
        job = jobs.describe(
            ["s3://bucket/*.png"], ["sample:turner"], "s3://bucket/out", configs.BatchConfig(), arguments
        )
        process.terminate()
        process.wait()
        with pytest.raises(errors.NstError, match=r"Could not connect|Connection"):
            batch.run(job, arguments)

"""The page's server answers its own page and programs, and no other site."""

import pytest

from nst_tf import configs, errors
from nst_tf.serving.page import guard

LOCAL = configs.AppConfig()
PUBLIC = configs.AppConfig(host="0.0.0.0", allowed_origins=("https://art.example.org",))


@pytest.mark.parametrize("host", ["localhost:7860", "127.0.0.1:7860", "[::1]:7860", "localhost"])
def test_the_machines_own_names_are_answered(host):
    assert guard.refusal("GET", {"host": host}, LOCAL) is None


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "192.168.0.7:7860", "", "[", "localhost.evil.example"]
)
def test_a_name_that_dns_was_rebound_to_is_refused(host):
    assert "must name this server" in guard.refusal("GET", {"host": host}, LOCAL)


@pytest.mark.parametrize("host", ["192.168.0.7:7860", "art.example.org", "localhost:80"])
def test_a_server_for_others_is_reached_by_address_and_by_its_published_name(host):
    assert guard.refusal("GET", {"host": host}, PUBLIC) is None


def test_a_server_for_others_is_not_reached_by_a_strangers_name():
    assert guard.refusal("GET", {"host": "evil.example"}, PUBLIC)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://localhost:3000", "null", "https://localhost:7860.evil.example"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_a_page_elsewhere_is_refused(method, origin):
    assert "own page" in guard.refusal(method, {"host": "localhost:7860", "origin": origin}, LOCAL)


def test_a_picture_element_of_a_page_elsewhere_is_refused():
    headers = {"host": "localhost:7860", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert guard.refusal("GET", headers, LOCAL)


def test_a_link_from_a_page_elsewhere_is_followed():
    headers = {"host": "localhost:7860", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert guard.refusal("GET", headers, LOCAL) is None


def test_the_own_page_is_answered():
    headers = {"host": "localhost:7860", "origin": "http://localhost:7860", "sec-fetch-site": "same-origin"}
    assert guard.refusal("POST", headers, LOCAL) is None


def test_a_proxys_published_origin_is_answered():
    headers = {"host": "127.0.0.1:7860", "origin": "https://art.example.org"}
    assert guard.refusal("POST", headers, PUBLIC) is None


def test_only_a_server_for_this_machine_exposes_nothing():
    assert not guard.exposes(LOCAL)
    assert not guard.exposes(configs.AppConfig(host="::1"))
    assert guard.exposes(PUBLIC)


@pytest.mark.parametrize(
    "settings", [{"allowed_origins": ("art.example.org",)}, {"root_path": "art"}, {"root_path": "/a b"}]
)
def test_an_address_of_another_form_is_refused(settings):
    with pytest.raises(errors.ConfigError, match="Example"):
        configs.AppConfig(**settings)

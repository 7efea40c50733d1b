import json

import pytest

import nst_tf
from nst_tf import configs, results
from nst_tf.networks import one_pass
from nst_tf.optimisation import transfer
from tests.tiny import tiny_adain, tiny_network

ENGINES: dict[str, results.Engine] = {  # mypy checks that each has the protocol's form
    "gatys": transfer.StyleTransfer(tiny_network.config(steps=2, lbfgs_memory=2), extractor=tiny_network.TinyNetwork()),
    "adain": one_pass.AdainTransfer(loaded=tiny_adain.loaded()),
}


@pytest.mark.parametrize("method", ENGINES)
def test_every_method_takes_the_same_call_and_records_itself_in_one_form(method, tmp_path):
    result = ENGINES[method](tiny_network.picture(32, 40), tiny_network.picture(40, 32, seed=1), on_message=print)
    result.save(tmp_path / "out.png")
    record = json.loads((tmp_path / "out.png.json").read_text())
    assert record["method"] == method
    assert {"seconds", "precision", "network", "inputs", "config", "versions"} <= set(record)
    assert [picture["width_px"] for picture in record["inputs"]] == [40, 32]
    assert record["versions"]["nst_tf"] == nst_tf.__version__


def test_the_table_of_the_command_line_has_every_method():
    from cli import stylize

    assert tuple(stylize.METHODS) == configs.METHODS

"""The one table of tolerances: relative and absolute, by the dtype a comparison is made in."""

RELATIVE = {"float64": 1e-10, "float32": 2e-5, "bfloat16": 2e-2, "float16": 2e-3}
ABSOLUTE = {"float64": 1e-12, "float32": 1e-6, "bfloat16": 1e-2, "float16": 1e-3}


def of(dtype: str) -> dict[str, float]:
    """The keyword arguments of numpy.testing.assert_allclose for one dtype."""
    return {"rtol": RELATIVE[dtype], "atol": ABSOLUTE[dtype]}

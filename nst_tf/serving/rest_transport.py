"""TensorFlow Serving's REST form; needs no TensorFlow."""

import base64
import contextlib
import json
import urllib.error
import urllib.request
from typing import Any

from nst_tf import configs
from nst_tf.serving import transport


class Rest:
    """TensorFlow Serving's REST form."""

    def __init__(self, config: configs.ClientConfig) -> None:
        self._config = config
        base = config.server if "://" in config.server else f"http://{config.server}"
        version = "" if config.model_version is None else f"/versions/{config.model_version}"
        self._url = f"{base}/v1/models/{config.model}{version}"

    def inputs(self, signature: str, timeout_s: float) -> set[str]:
        """See `Transport`."""
        metadata = self._call("/metadata", None, timeout_s)["metadata"]
        return set(metadata["signature_def"]["signature_def"].get(signature, {}).get("inputs", ()))

    def predict(self, signature: str, values: transport.Values, timeout_s: float) -> dict[str, list[Any]]:
        """See `Transport`."""
        sent = {
            name: [_in_json(item) for item in items] if name.endswith("_bytes") else items
            for name, items in values.items()
        }
        body = json.dumps({"signature_name": signature, "inputs": sent}).encode()
        outputs = self._call(":predict", body, timeout_s)["outputs"]
        if not isinstance(outputs, dict):  # a single output comes without its name
            outputs = {"stylized_bytes": outputs}
        return {
            name: [base64.b64decode(item["b64"]) if isinstance(item, dict) else item for item in items]
            for name, items in outputs.items()
        }

    def _call(self, path: str, body: bytes | None, timeout_s: float) -> Any:
        request = urllib.request.Request(self._url + path, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            with contextlib.suppress(ValueError, LookupError, TypeError):
                text = json.loads(text)["error"]
            if error.code == 503:
                raise transport.Unavailable(text) from error
            if error.code == 504:
                raise transport.late(self._config) from error
            raise transport.refused(self._config, f"HTTP {error.code}", text) from error
        except TimeoutError as error:
            raise transport.late(self._config) from error
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise transport.late(self._config) from error
            raise transport.Unavailable(error.reason) from error
        except (OSError, ValueError) as error:  # cut off, or not JSON
            raise transport.refused(self._config, "no valid answer", error) from error


def _in_json(item: Any) -> Any:
    """Bytes, or a list of them, as a server's JSON has them."""
    return {"b64": base64.b64encode(item).decode()} if isinstance(item, bytes) else [_in_json(one) for one in item]

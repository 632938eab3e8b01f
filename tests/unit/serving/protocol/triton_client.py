"""Requests as tritonclient makes them. Run with tritonclient[http] installed to write them anew:

python -m tests.unit.serving.protocol.triton_client
"""

import base64
import json
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

FILE = Path(__file__).with_name("triton_requests.json")


def images():
    """Two small BMP files, the same wherever they are made."""
    files = []
    for color in ((200, 30, 30), (30, 30, 200)):
        file = BytesIO()
        image = Image.new("RGB", (20, 15), (240, 240, 240))
        image.paste(color, (4, 3, 12, 10))
        image.save(file, "BMP")
        files.append(file.getvalue())
    return files


def inputs_of(client, contents, *, binary):
    texts = contents if binary else [base64.b64encode(content) for content in contents]
    tensor = client.InferInput("picture", [len(texts)], "BYTES")
    tensor.set_data_from_numpy(np.array(texts, dtype=np.object_), binary_data=binary)
    return [tensor]


def requests(client):
    """Bodies and the lengths of their JSON."""
    first, second = images()
    make = client.InferenceServerClient.generate_request_body
    outputs = [
        client.InferRequestedOutput("box", binary_data=True),
        client.InferRequestedOutput("label", binary_data=False),
    ]
    return {
        "binary": make(inputs_of(client, [first], binary=True)),
        "two images, chosen outputs": make(
            inputs_of(client, [first, second], binary=True),
            outputs=outputs,
            request_id="7",
            parameters={"threshold": 0.1},
        ),
        "json": make(inputs_of(client, [first], binary=False), outputs=outputs),
    }


if __name__ == "__main__":
    import tritonclient.http

    made = {
        name: {"json_bytes": length, "body": base64.b64encode(body).decode()}
        for name, (body, length) in requests(tritonclient.http).items()
    }
    FILE.write_text(json.dumps({"tritonclient": version("tritonclient"), "requests": made}, indent=1) + "\n")

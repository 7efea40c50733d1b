"""Converts a plain SavedModel with OpenVINO and runs it: python openvino_plain.py SAVED_MODEL INPUTS.npz OUTPUT.npy."""

import sys

import numpy as np
import openvino

saved_model, inputs, output = sys.argv[1:]
model = openvino.Core().compile_model(openvino.convert_model(saved_model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
with np.load(inputs) as archive:
    arrays = dict(archive)
by_name = {port.get_any_name().partition(":")[0]: port for port in model.inputs}
np.save(output, model({by_name[name]: value for name, value in arrays.items()})[0])
print(openvino.__version__)

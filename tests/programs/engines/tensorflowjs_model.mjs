// Runs a model that tensorflowjs converted: node tensorflowjs_model.mjs FOLDER, where request.json holds the inputs by
// name as {shape, values}; writes answer.json with the same of the output. `@tensorflow/tfjs` is in the folder's reach.
import fs from "node:fs";
import path from "node:path";
import * as tf from "@tensorflow/tfjs";

const folder = process.argv[2];
const description = JSON.parse(fs.readFileSync(path.join(folder, "model.json")));
const weights = description.weightsManifest.flatMap((group) => group.paths).map((name) =>
  fs.readFileSync(path.join(folder, name)));
const bytes = Buffer.concat(weights);
const model = await tf.loadGraphModel({
  load: async () => ({
    ...description,
    weightSpecs: description.weightsManifest.flatMap((group) => group.weights),
    weightData: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
  }),
});
const request = JSON.parse(fs.readFileSync(path.join(folder, "request.json")));
const inputs = {};
for (const node of model.inputs) {
  const { shape, values } = request[node.name.split(":")[0]];
  inputs[node.name] = tf.tensor(values, shape, "float32");
}
const picture = await model.executeAsync(inputs);
fs.writeFileSync(path.join(folder, "answer.json"),
  JSON.stringify({ shape: picture.shape, values: Array.from(await picture.data()) }));
console.log(tf.version.tfjs);

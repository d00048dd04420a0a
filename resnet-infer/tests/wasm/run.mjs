// Computes the logits of an image in a WebAssembly module and compares the logarithms of their
// probabilities with the output of `resnet-infer classify --json`: node run.mjs MODULE IMAGE OUTPUT
import { readFileSync } from "node:fs";

const [file, photo, native] = process.argv.slice(2);
const module = new WebAssembly.Module(readFileSync(file));
let memory;

// wasm-bindgen would generate these imports for a web page. The module needs at most random numbers.
const imports = {};
for (const { module: from, name } of WebAssembly.Module.imports(module)) {
  imports[from] ??= {};
  imports[from][name] = name.includes("getRandomValues")
    ? (start, length) => void crypto.getRandomValues(new Uint8Array(memory.buffer, start, length))
    : () => {
        throw new Error(`the module calls ${from}.${name}`);
      };
}
const { exports } = new WebAssembly.Instance(module, imports);
memory = exports.memory;

const image = readFileSync(photo);
const input = exports.allocate(image.length);
new Uint8Array(memory.buffer, input, image.length).set(image);
const output = exports.allocate(40);
const started = performance.now();
const count = exports.classify(input, image.length, output);
const milliseconds = Math.round(performance.now() - started);
const logits = [...new Float32Array(memory.buffer, output, count)];
const normalizer = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
const { predictions } = JSON.parse(native);
const differences = predictions.map((guess) =>
  Math.abs(Math.log(guess.probability) - (logits[guess.class] - normalizer)));
const difference = Math.max(...differences) / Math.max(...logits.map(Math.abs));
console.log(`${count} logits in ${milliseconds} ms, largest relative difference ${difference.toExponential(1)}`);
if (count !== predictions.length || !(difference <= 1e-5)) {
  throw new Error(`expected ${native}, found the logits ${JSON.stringify(logits)}`);
}

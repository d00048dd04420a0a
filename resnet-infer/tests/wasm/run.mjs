// Computes the logits of an image in a WebAssembly module and compares them with the native logits:
// node run.mjs MODULE IMAGE NATIVE_LOGITS
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
const found = [...new Float32Array(memory.buffer, output, count)];
const expected = JSON.parse(native);
const largest = Math.max(...expected.map(Math.abs));
const difference = Math.max(...expected.map((logit, i) => Math.abs(logit - found[i]))) / largest;
console.log(`${count} logits in ${milliseconds} ms, largest relative difference ${difference.toExponential(1)}`);
if (count !== expected.length || !(difference <= 1e-5)) {
  throw new Error(`expected ${native}, found ${JSON.stringify(found)}`);
}

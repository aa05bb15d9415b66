// Compiles the contracts; with --check says whether the committed output is what comes of the sources.
//   foundation/evm/contracts/*.sol -> <Contract>.hex beside the source, and <Contract>.runtime.hex: what
//                                     stands on the chain once it is deployed
//   demo/chain/contracts/*.sol     -> contracts.json: {name: {abi, bytecode}}
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import solc from "solc";

const here = import.meta.dirname;
const product = join(here, "../../foundation/evm/contracts");
const examples = join(here, "contracts");
// Paris has no PUSH0, which not every chain knows.
const settings = {
  evmVersion: "paris",
  optimizer: { enabled: true, runs: 1 },
  metadata: { appendCBOR: false, bytecodeHash: "none" },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
};

function compile(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith(".sol")).sort();
  const sources = Object.fromEntries(
    names.map((name) => [name, { content: readFileSync(join(folder, name), "utf8") }]),
  );
  const output = JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources, settings })));
  const problems = (output.errors ?? []).filter((problem) => problem.severity === "error");
  if (problems.length) throw new Error(problems.map((problem) => problem.formattedMessage).join("\n"));
  return Object.values(output.contracts).flatMap((file) => Object.entries(file));
}

const outputs = new Map();
for (const [name, contract] of compile(product)) {
  outputs.set(join(product, `${name}.hex`), `${contract.evm.bytecode.object}\n`);
  const runtime = contract.evm.deployedBytecode.object;
  // A constructor that returns its answer leaves nothing that could stand on a chain.
  if (contract.abi.some((entry) => entry.type === "function")) outputs.set(join(product, `${name}.runtime.hex`), `${runtime}\n`);
}
const known = compile(examples).map(([name, contract]) => [
  name,
  { abi: contract.abi, bytecode: `0x${contract.evm.bytecode.object}` },
]);
outputs.set(join(examples, "contracts.json"), `${JSON.stringify(Object.fromEntries(known), null, 1)}\n`);

for (const [path, content] of outputs) {
  if (!process.argv.includes("--check")) {
    writeFileSync(path, content);
  } else if (readFileSync(path, "utf8") !== content) {
    console.error(`${basename(path)} is not what its source compiles to: run make contracts`);
    process.exitCode = 1;
  }
}

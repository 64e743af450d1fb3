// Drives one Chromium for all tests: a line of JSON in asks for something, a line out says what came of it.
//
//     {"id": 7, "on": "tab 1", "steps": [["getByLabel", "Name"], ["fill", "ada"]]}
//     {"id": 7, "value": null}    or    {"id": 7, "error": "…"}
//
// Each step calls a method of Playwright on what the step before gave, or is the name of a part of it. With
// "keep": NAME the last result is kept, for "on" and, as {"kept": NAME}, for arguments, until one of its
// requests says "forget". Everything ends when nobody can ask any more, however that came about.
//
// Usage: node driver.mjs FOLDER, in which `npm ci` was run.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { execFileSync } from "node:child_process";

const require = createRequire(`${process.argv[2]}/`);
const { chromium } = require("playwright-core");

const where = execFileSync("sh", ["-c", "command -v chromium"], { encoding: "utf8" });
// A busy machine takes its time.
const launch = { executablePath: where.trim(), timeout: 180_000 };
const browser = await chromium.launch(launch);
// With the settings of a folder that somebody has filled, in a Chromium of its own.
const profiles = { open: (folder, options) => chromium.launchPersistentContext(folder, { ...launch, ...options }) };
const kept = new Map([
  ["browser", browser],
  ["profiles", profiles],
]);

const meant = (argument) =>
  argument !== null && typeof argument === "object" && "kept" in argument ? kept.get(argument.kept) : argument;

async function run({ on, steps, keep, forget }) {
  let value = kept.get(on);
  for (const step of steps) {
    if (typeof step === "string") {
      value = value[step];
    } else {
      const [method, ...args] = step;
      value = await value[method](...args.map(meant));
    }
  }
  if (forget) kept.delete(on);
  if (keep === undefined) return value;
  kept.set(keep, value);
  return null;
}

const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);

const asked = createInterface({ input: process.stdin });
asked.on("line", async (line) => {
  const request = JSON.parse(line);
  try {
    const value = await run(request);
    say({ id: request.id, value: value ?? null });
  } catch (error) {
    say({ id: request.id, error: String(error.message ?? error) });
  }
});
asked.on("close", async () => {
  // Chromium ends as well when its driver does.
  setTimeout(process.exit, 10_000).unref();
  await browser.close();
  process.exit();
});

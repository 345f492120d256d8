// Runs app.py for the CDK CLI, which needs Node anyway: with the Python of `.venv`, as dev.py makes it on Linux, macOS
// and Windows, or else with that of the active environment, which is called `python` or only `python3`.

const { spawnSync } = require("node:child_process");
const { existsSync } = require("node:fs");

const made = [".venv/bin/python", ".venv/Scripts/python.exe"].filter(existsSync);

for (const python of [...made, "python", "python3"]) {
  const { error, status } = spawnSync(python, ["app.py"], { stdio: "inherit" });
  if (error?.code === "ENOENT") continue;
  process.exit(status ?? 1);
}
console.error("error: neither .venv nor a Python was found; run `python3 dev.py synth` with Python 3.11 or newer once");
process.exit(1);

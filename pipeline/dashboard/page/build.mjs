// Bundles src/ into the folder named by the first argument: index.html, hashed assets and a .gz beside each.
// Run by `python -m pipeline.dashboard.build`; writes nothing but that folder.
import { build } from "esbuild";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { constants, gzipSync } from "node:zlib";

const here = import.meta.dirname;
const out = path.resolve(process.argv[2] ?? path.join(here, "..", "static"));

const common = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  legalComments: "none",
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  outdir: out,
  metafile: true,
  logLevel: "warning",
  loader: { ".svg": "file", ".woff2": "file" },
};

/** The file name that esbuild gave to an entry point. */
function nameOf(metafile, entry, extension) {
  for (const [file, about] of Object.entries(metafile.outputs)) {
    if (about.entryPoint === entry && file.endsWith(extension)) return path.basename(file);
  }
  throw new Error(`esbuild made no ${extension} file of ${entry}`);
}

/** The chunk that holds the charts, so that the browser can fetch it beside the script and not after it. */
function chunkOf(metafile, source) {
  for (const [file, about] of Object.entries(metafile.outputs)) {
    if (about.entryPoint === source) return path.basename(file);
  }
  throw new Error(`esbuild made no chunk of ${source}`);
}

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
const page = await build({ ...common, entryPoints: ["src/main.js", "src/styles/main.css", "src/favicon.svg"], splitting: true });
const worker = await build({ ...common, entryPoints: ["src/net/worker.js"], format: "iife" });

const names = {
  SCRIPT: nameOf(page.metafile, "src/main.js", ".js"),
  CHARTS: chunkOf(page.metafile, "src/charts/echarts.js"),
  STYLE: nameOf(page.metafile, "src/styles/main.css", ".css"),
  WORKER: nameOf(worker.metafile, "src/net/worker.js", ".js"),
};
const files = await readdir(out);
names.ICON = files.find((name) => /^favicon-.*\.svg$/.test(name));
names.FONT = files.find((name) => name.endsWith(".woff2"));
const chunks = files.filter((name) => /^chunk-.*\.js$/.test(name));
let html = await readFile(path.join(here, "src", "index.html"), "utf8");
for (const [key, name] of Object.entries(names)) html = html.replaceAll(`{{${key}}}`, `static/${name}`);
html = html.replace("{{CHUNKS}}", chunks.map((name) => `<link rel="modulepreload" href="static/${name}" />`).join("\n    "));
await writeFile(path.join(out, "index.html"), html);

for (const name of await readdir(out)) {
  if (/^favicon-.*\.js$/.test(name)) {
    await rm(path.join(out, name));
    continue;
  }
  const bytes = await readFile(path.join(out, name));
  if (!name.endsWith(".woff2")) await writeFile(path.join(out, `${name}.gz`), gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }));
}

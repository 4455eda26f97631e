import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const OUT = "../src/aideator/web/dist";
const COMPRESSIBLE = /\.(js|css|html|svg|json|md)$/;

/** Compress files at build time; the server sends them compressed. */
function gzip(): Plugin {
  return {
    name: "gzip",
    apply: "build",
    closeBundle() {
      for (const entry of readdirSync(OUT, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !COMPRESSIBLE.test(entry.name)) continue;
        const path = join(entry.parentPath, entry.name);
        const plain = readFileSync(path);
        const zipped = gzipSync(plain, { level: 9 });
        if (zipped.length < plain.length) writeFileSync(`${path}.gz`, zipped);
      }
    },
  };
}

export default defineConfig({
  plugins: [react({ jsxImportSource: "#jsx" }), gzip()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2023",
    modulePreload: { polyfill: false },
    // One small file: a view that is loaded late never waits for, or loses, its style.
    cssCodeSplit: false,
    // Every asset is a file: the policy allows no data: scripts or fonts.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 400,
    license: { fileName: "licenses.md" },
  },
  server: { proxy: { "/api": "http://127.0.0.1:8000" } },
  test: {
    include: ["tests/**/*.test.ts"],
    environment: "node",
    setupFiles: ["tests/browser-stubs.ts"],
    // No test asserts a duration: the limit only ends one that hangs, also on a busy machine.
    testTimeout: 120_000,
  },
});

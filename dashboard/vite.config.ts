import { defineConfig } from "vite";

// The same sources and package-lock.json give the same bytes: tools/dashboard check relies on it.
export default defineConfig({
  base: "./",
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  // `npm run dev` beside a server that was started with `make run`.
  server: {
    proxy: Object.fromEntries(
      ["/v1", "/health", "/version", "/metrics", "/render"].map((path) => [path, "http://127.0.0.1:8080"]),
    ),
  },
});

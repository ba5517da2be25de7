// `npm run bench:telemetry`: what telemetry costs a worker; see bench/README.md.
await import('../bench/telemetry.ts')

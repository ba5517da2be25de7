// `npm run bench`: CPU time per proxied request beside bare libraries; `npm run bench -- memory`: what tables take. See
// bench/README.md.
await import(process.argv[2] === 'memory' ? '../bench/memory.ts' : '../bench/proxying.ts')

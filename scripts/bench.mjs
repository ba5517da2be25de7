// `npm run bench`: CPU time per proxied request beside bare libraries; see bench/README.md.
import '../bench/proxying.ts'

// `npm run bench:propagation`: from an admin's write to every worker; see bench/README.md.
import '../bench/propagation.ts'

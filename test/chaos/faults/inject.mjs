import { registerHooks } from 'node:module'
import { faults } from './faults.mjs'

/**
 * Loaded into a process of the system with `--import <this file>?<fault>`: changes one built file as it is read. Production code
 * knows nothing of it. A text that is not there any more ends the process, so that a fault cannot silently be none.
 */
const { file, changes } = faults[new URL(import.meta.url).search.slice(1)]

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context)
    if (!url.endsWith(file)) return loaded
    let source = Buffer.from(loaded.source).toString()
    for (const [from, to] of changes) {
      if (!source.includes(from)) throw new Error(`the fault cannot be put into ${file}: "${from}" is not in it`)
      source = source.replace(from, to)
    }
    return { ...loaded, source }
  },
})

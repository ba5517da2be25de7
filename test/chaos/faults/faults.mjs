/**
 * What `npm run chaos -- --break <name>` breaks: texts of a built file, and what stands there instead. The run must then find
 * differences.
 *
 * @type {Record<string, { part: string, file: string, changes: [string, string][] }>}
 */
export const faults = {
  // An answer goes out before its event is in the file.
  flush: {
    part: 'proxy',
    file: '/proxy/dist/usage/usage.spool.js',
    changes: [
      [
        'this.#write(turn);\n        }\n        catch (error) {',
        'setTimeout(() => this.#write(turn), 300).unref();\n        }\n        catch (error) {',
      ],
    ],
  },
  // A batch that comes again is counted again.
  id: {
    part: 'jobs',
    file: '/control-plane/dist/usage-ingest/usage.ledger.sql.js',
    changes: [
      [' AND NOT coalesce(seen @> seq, false)', ''],
      ["'evt_' || texts.worker ||", "gen_random_uuid() || 'evt_' || texts.worker ||"],
    ],
  },
  // Shared buckets give whatever they are asked for.
  lease: {
    part: 'proxy',
    file: '/platform/dist/transport/redis/limits.lua.js',
    changes: [
      ['taken = math.min(take, whole)', 'taken = take'],
      ['level = level - (taken + leased) * token', 'level = full'],
    ],
  },
}

import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

/** Tests run from source: every workspace package offers it under the `source` export condition. */
const conditions = ['source', 'module', 'node', 'development|production']

export default defineConfig({
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    // Many tests wait for servers: on two cores one at a time would leave the machine idle.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // The files of a worker share the modules that it has loaded, which is half of the time; no test leaves anything in them.
    isolate: false,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['{apps,libs}/*/src/**/*.spec.ts'],
          exclude: ['**/*.int.spec.ts'],
          // Property tests on a busy machine.
          testTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'int',
          include: ['{apps,libs}/*/src/**/*.int.spec.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: { name: 'e2e', include: ['test/**/*.spec.ts'], testTimeout: 120_000, hookTimeout: 300_000 },
      },
    ],
  },
})

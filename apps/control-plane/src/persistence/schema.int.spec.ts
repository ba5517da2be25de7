import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { migrationsDir, testServers } from '@apigate/testing'
import { expect, test } from 'vitest'

const root = path.resolve(migrationsDir, '../..')

test('the migrations make the database that the schema describes', async () => {
  const { stdout } = await promisify(execFile)(
    path.join(root, 'node_modules/.bin/prisma'),
    ['migrate', 'diff', '--from-migrations', migrationsDir, '--to-schema', 'prisma/schema.prisma', '--script'],
    {
      cwd: root,
      env: {
        PATH: [path.dirname(process.execPath), '/usr/bin', '/bin'].join(path.delimiter),
        DATABASE_URL: testServers.databaseUrl,
        // Nothing is looked up on the network.
        CHECKPOINT_DISABLE: '1',
        PRISMA_SCHEMA_ENGINE_BINARY: path.join(root, 'scripts/schema-engine.mjs'),
      },
    },
  )
  expect(stdout.trim()).toBe('-- This is an empty migration.')
})

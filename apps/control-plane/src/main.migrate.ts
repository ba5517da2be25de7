import path from 'node:path'
import { applyMigrations, createLogger, SettingsError } from '@apigate/platform'
import { loadMigrateConfig } from './config.ts'

/** Brings the database to this version and ends: a job before an upgrade. Safe to run several times, and at once. */
try {
  const config = loadMigrateConfig()
  const log = createLogger({ name: 'migrate', level: config.logLevel })
  const applied = await applyMigrations(config.databaseUrl, path.resolve(config.migrationsDir))
  log.info({ applied }, applied.length > 0 ? 'migrated' : 'already up to date')
} catch (error) {
  // For a person: a bad setting, a database that is away or was changed by hand.
  const text = error instanceof SettingsError ? error.message : `the database cannot be migrated: ${String(error)}`
  process.stderr.write(`${text}\n`)
  process.exit(1)
}

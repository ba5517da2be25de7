import path from 'node:path'
import { applyMigrations, createLogger } from '@apigate/platform'
import { loadMigrateConfig } from './config.ts'

/** Brings the database to this version and ends: a job before an upgrade. Safe to run several times, and at once. */
const config = loadMigrateConfig()
const log = createLogger({ name: 'migrate', level: config.logLevel })
const applied = await applyMigrations(config.databaseUrl, path.resolve(config.migrationsDir))
log.info({ applied }, applied.length > 0 ? 'migrated' : 'already up to date')

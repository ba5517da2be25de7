export * from './config.ts'
export * from './database.ts'

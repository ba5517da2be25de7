export * from './database.ts'
export * from './persistence.module.ts'

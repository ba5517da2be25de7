export * from './database.ts'
export * from './database-problem.ts'
export * from './list-arguments.ts'
export * from './persistence.module.ts'

export * from './operations.module.ts'

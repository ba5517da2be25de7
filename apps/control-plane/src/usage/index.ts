export * from './usage.module.ts'

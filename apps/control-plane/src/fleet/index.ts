export * from './fleet.module.ts'

export * from './explain.module.ts'
